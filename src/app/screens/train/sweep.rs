//! Sweeps: which one is shown, what is asked for, and what follows.

use crate::app::format;
use crate::app::look::Look;
use crate::app::overlays::{Asking, Confirm, Overlay, Prompt, Question};
use crate::app::reply::Reply;
use crate::app::strings::{Text, screen as texts};
use crate::app::widgets::ListState;
use crate::job::JobSpec;
use crate::job::sweep::plan::SweepRequest;
use crate::job::sweep::state::{Asked, SweepState};
use crate::mix::{MixReport, RowKind, Side};
use crate::pair::Language;
use crate::report::sweep as report;
use crate::train::RunOutcome;
use crate::train::sweep::{self, Axis, Setting, Took};

/// What is offered before a sweep was made.
const EXAMPLE: &str = "mix=0,10,20 rank=8,16";

/// The sweeps of the screen.
#[derive(Default)]
pub(super) struct Sweeps {
    /// Whether they are shown instead of the recipe and the curve.
    pub open: bool,
    /// The sweep that was chosen; none for the one that runs, else the newest.
    chosen: Option<u32>,
    /// The selected run.
    pub runs: ListState,
    /// What the sweep shown tells.
    told: Option<Told>,
    /// What was typed and waits for a yes.
    asked: Option<SweepRequest>,
}

/// A sweep with what can be said of it, made once and not in every frame.
pub(super) struct Told {
    pub state: SweepState,
    pub report: report::Sweep,
    /// Places of the runs that no other beats in both.
    pub front: Vec<usize>,
    pub best: Option<usize>,
    findings: [Vec<String>; 2],
}

impl Told {
    fn new(state: &SweepState) -> Self {
        let report = state.report(None, state.started);
        Self {
            front: report::front(&report),
            best: report::best(&report),
            findings: [Language::Korean, Language::English]
                .map(|language| report::findings(&report, language)),
            state: state.clone(),
            report,
        }
    }

    /// What the runs tell, a sentence each.
    pub(super) fn findings(&self, language: Language) -> &[String] {
        let [korean, english] = &self.findings;
        if language == Language::Korean { korean } else { english }
    }
}

impl Sweeps {
    /// The sweep shown, with what it tells.
    pub(super) fn told(&self) -> Option<&Told> {
        self.told.as_ref()
    }

    /// Brings what is shown up to date.
    pub(super) fn refresh(&mut self, look: &Look) {
        let sweeps = &look.data.snapshot.sweeps;
        let live = look.jobs.sweep().and_then(|job| job.sweep.as_ref()?.number);
        let wanted = self.chosen.or(live);
        let state = sweeps.iter().find(|state| Some(state.number) == wanted).or(sweeps.last());
        if self.told.as_ref().map(|told| &told.state) != state {
            self.told = state.map(Told::new);
        }
        self.runs.by(0, self.told.as_ref().map_or(0, |told| told.state.runs.len()));
    }

    /// Shows the sweep before or after.
    pub(super) fn turn(&mut self, older: bool, look: &Look) {
        if let Some(number) = self.neighbour(older, look) {
            self.chosen = Some(number);
            self.runs = ListState::default();
            self.refresh(look);
        }
    }

    fn neighbour(&self, older: bool, look: &Look) -> Option<u32> {
        let shown = self.told.as_ref()?.state.number;
        let mut numbers = look.data.snapshot.sweeps.iter().map(|state| state.number);
        if older {
            numbers.rev().find(|number| *number < shown)
        } else {
            numbers.find(|number| *number > shown)
        }
    }

    /// Why there is no sweep before or after.
    pub(super) fn cannot_turn(&self, older: bool, look: &Look) -> Option<Text> {
        self.neighbour(older, look).is_none().then_some(texts::NO_OTHER_SWEEP)
    }

    /// Asks what to sweep over, beginning with what the sweep shown was asked for.
    pub(super) fn ask(&self, reply: &mut Reply) {
        let shown = self.told.as_ref().and_then(|told| told.state.asked.as_ref());
        let text = shown
            .map(|asked| asked.axes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        let text = text.unwrap_or_else(|| EXAMPLE.to_owned());
        reply.overlay = Some(Overlay::Prompt(Prompt::new(Asking::Sweep, &text)));
    }

    /// Takes what was typed: asks whether to start, or says what cannot be read and lets it be mended.
    pub(super) fn typed(&mut self, text: &str, look: &Look, reply: &mut Reply) {
        let Some(model) = look.model() else { return };
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let axes = match sweep::parse(&words) {
            Ok(axes) => axes,
            Err(failure) => {
                reply.warn(look.fill(texts::SWEEP_BAD, &[&failure.message]));
                reply.overlay = Some(Overlay::Prompt(Prompt::new(Asking::Sweep, text)));
                return;
            }
        };
        let recipe = look.settings.recipe.clone();
        let question = question(&axes, model, look);
        let asked = Asked { recipe, axes, ..Asked::default() };
        self.asked = Some(asked.request(model));
        reply.overlay = Some(Overlay::Confirm(Confirm::new(Question::Sweep, question)));
    }

    /// Starts what was typed.
    pub(super) fn start(&mut self, reply: &mut Reply) {
        if let Some(request) = self.asked.take() {
            self.begin(request, reply);
        }
    }

    /// Goes on with the sweep shown.
    pub(super) fn resume(&mut self, reply: &mut Reply) {
        if let Some(request) = self.told.as_ref().and_then(|told| told.state.request()) {
            self.begin(request, reply);
        }
    }

    /// From here on the sweep that runs is shown.
    fn begin(&mut self, request: SweepRequest, reply: &mut Reply) {
        (self.open, self.chosen) = (true, None);
        reply.start = Some(JobSpec::Sweep(Box::new(request)));
    }

    /// Why the sweep shown cannot be gone on with.
    pub(super) fn cannot_resume(&self, look: &Look) -> Option<Text> {
        let Some(told) = &self.told else { return Some(texts::NOTHING_TO_RESUME) };
        if look.jobs.sweep().is_some() {
            return Some(texts::WAIT_FOR_JOB);
        }
        match &told.state {
            state if state.is_done() => Some(texts::SWEEP_DONE),
            state if state.asked.is_none() => Some(texts::SWEEP_NO_REQUEST),
            _ => None,
        }
    }
}

/// How many runs, how long they may take, and whether the pools are too small.
fn question(axes: &[Axis], model: &str, look: &Look) -> String {
    let general = look.settings.mix.general_share;
    let base = Setting { recipe: look.settings.recipe.clone(), general };
    let settings: Vec<Setting> =
        sweep::product(axes, &base).into_iter().map(|(_, setting)| setting).collect();
    let runs = look.data.snapshot.runs.iter();
    let done: Vec<(Setting, Took)> = runs
        .filter(|run| run.model == model && run.outcome == Some(RunOutcome::Finished))
        .map(|run| {
            let general = run.general.unwrap_or(general);
            let took = Took { training: run.seconds, evaluation: 0.0 };
            (Setting { recipe: run.recipe.clone(), general }, took)
        })
        .collect();
    let known = done.iter().map(|(setting, took)| (setting, *took));
    let time = sweep::seconds_left(known, &settings)
        .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
    let time = match time {
        Some(time) => look.fill(texts::SWEEP_TIME, &[&format::duration(time, look.language)]),
        None => look.t(texts::SWEEP_NO_TIME).to_owned(),
    };
    let mut words = look.fill(texts::SWEEP_QUESTION, &[&settings.len(), &time]);
    let most = settings.iter().map(|setting| setting.general).fold(0.0, f64::max);
    let lacking = look.data.snapshot.mix.as_ref().and_then(|mix| lacking(mix, most));
    if let Some(tokens) = lacking {
        let share = format!("{:.0}", 100.0 * most);
        let tokens = format::short(tokens as u64);
        words = format!("{words}\n\n{}", look.fill(texts::SWEEP_SHORT, &[&share, &tokens]));
    }
    words
}

/// Tokens of general conversation that the pools lack for a share, where the last mix took all they
/// hold; before that nobody knows here, and the sweep itself says so.
fn lacking(mix: &MixReport, share: f64) -> Option<usize> {
    if mix.general_short_of == 0 {
        return None;
    }
    let kinds = [RowKind::GeneralKorean, RowKind::GeneralEnglish];
    let held: usize = kinds.map(|kind| mix.of_kind(Side::Train, kind).tokens).iter().sum();
    let own = mix.tokens(Side::Train).saturating_sub(held) as f64;
    let wanted = (own * share / (1.0 - share).max(0.05)).round() as usize;
    wanted.checked_sub(held).filter(|tokens| *tokens > 0)
}

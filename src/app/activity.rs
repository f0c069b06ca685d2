//! Jobs as the interface sees them: what runs, how far it is, what it said.

use std::time::Duration;

use crate::job::sweep::SweepEvent;
use crate::job::{JobEvent, JobId, JobOutcome, JobSpec};
use crate::progress::Progress;
use crate::train::TrainEvent;

use super::live_run::{LiveRun, StepFigures};
use super::live_sweep::LiveSweep;
use super::strings;
use crate::pair::Language;

/// Lines of a job's log that are kept.
const LOG_LINES_MAX: usize = 500;

/// A job that was started from here.
#[derive(Debug)]
pub struct Activity {
    /// Identifier.
    pub id: JobId,
    /// What was asked for.
    pub spec: JobSpec,
    /// When it started, since the program's start.
    pub started: Duration,
    /// When the current stage started.
    pub stage_started: Duration,
    /// How far the current stage is.
    pub progress: Option<Progress>,
    /// Stages seen, the current one included.
    pub stages: usize,
    /// What it said, oldest first.
    pub log: Vec<String>,
    /// Curve and figures of a training job, or of the run that a sweep is at.
    pub run: Option<LiveRun>,
    /// Where a sweep is.
    pub sweep: Option<LiveSweep>,
    /// How it ended.
    pub outcome: Option<JobOutcome>,
    /// When it ended.
    pub ended: Option<Duration>,
    /// Whether it was asked to stop.
    pub stopping: bool,
}

impl Activity {
    fn hear(&mut self, event: JobEvent, now: Duration, language: Language) {
        match event {
            JobEvent::Progress(progress) => {
                if self.progress.as_ref().is_none_or(|old| old.stage != progress.stage) {
                    self.stages += 1;
                    self.stage_started = now;
                }
                self.progress = Some(progress);
            }
            JobEvent::Note(line) => self.note(line),
            JobEvent::Train(event) => {
                if let TrainEvent::Warning { message } = &event {
                    self.note(message.clone());
                }
                self.run.get_or_insert_default().hear(&event);
            }
            JobEvent::Sweep(event) => {
                if matches!(event, SweepEvent::Run { .. }) {
                    self.run = Some(LiveRun::default());
                }
                self.note(strings::sweep(&event, language));
                self.sweep.get_or_insert_default().hear(&event, now);
            }
            JobEvent::DataChanged | JobEvent::ChatText { .. } | JobEvent::Checked(_) => {}
            JobEvent::Ended(outcome) => {
                match &outcome {
                    JobOutcome::Finished(told) | JobOutcome::Stopped(told) => {
                        self.note(strings::told(told, language));
                    }
                    JobOutcome::Failed { message, hints } => {
                        self.note(message.clone());
                        for hint in hints {
                            self.note(hint.clone());
                        }
                    }
                }
                self.outcome = Some(outcome);
                self.ended = Some(now);
            }
        }
    }

    fn note(&mut self, line: String) {
        if line.is_empty() {
            return;
        }
        if self.log.len() == LOG_LINES_MAX {
            self.log.remove(0);
        }
        self.log.push(line);
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        self.outcome.is_none()
    }

    /// Whether it needs the whole machine: two such jobs never run at once.
    pub fn is_heavy(&self) -> bool {
        is_heavy(&self.spec)
    }

    /// The run it is training, once its first step is done.
    pub fn trained(&self) -> Option<(&LiveRun, StepFigures)> {
        let run = self.run.as_ref().filter(|run| self.sweep.is_none() || run.outcome.is_none())?;
        run.last.map(|step| (run, step))
    }

    /// Share done and seconds left of what it is at, as far as either is known; of a sweep those of all.
    pub fn outlook(&self, now: Duration) -> (Option<f64>, Option<Duration>) {
        let trained = self.trained().filter(|(run, _)| run.steps > 0);
        let trained = trained.map(|(run, step)| (step.step as f64 / run.steps as f64, step));
        if let Some(sweep) = &self.sweep {
            let share = trained.map_or(0.0, |(share, _)| share);
            return (sweep.fraction(share), sweep.time_left(now));
        }
        if let Some((share, step)) = trained {
            let left = Duration::try_from_secs_f64(step.seconds_left.max(0.0)).ok();
            return (Some(share), left);
        }
        let Some(progress) = &self.progress else {
            return (None, None);
        };
        let elapsed = now.saturating_sub(self.stage_started);
        (progress.fraction(), progress.time_left(elapsed))
    }
}

/// All jobs of this session.
#[derive(Debug, Default)]
pub struct Activities {
    jobs: Vec<Activity>,
    next: u64,
}

impl Activities {
    /// Adds a job and returns its identifier.
    pub fn start(&mut self, spec: JobSpec, now: Duration) -> JobId {
        self.next += 1;
        let id = JobId(self.next);
        let run = matches!(spec, JobSpec::Train { .. }).then(LiveRun::default);
        self.jobs.push(Activity {
            id,
            spec,
            started: now,
            stage_started: now,
            progress: None,
            stages: 0,
            log: Vec::new(),
            run,
            sweep: None,
            outcome: None,
            ended: None,
            stopping: false,
        });
        id
    }

    /// Takes in an event. Late mail of an ended or unknown job is dropped; returns whether it was
    /// taken.
    pub fn hear(&mut self, id: JobId, event: JobEvent, now: Duration, language: Language) -> bool {
        match self.jobs.iter_mut().find(|job| job.id == id && job.is_running()) {
            Some(job) => {
                job.hear(event, now, language);
                true
            }
            None => false,
        }
    }

    /// Marks a job as asked to stop.
    pub fn stop(&mut self, id: JobId) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) {
            job.stopping = true;
        }
    }

    /// Jobs, newest first.
    pub fn newest_first(&self) -> impl ExactSizeIterator<Item = &Activity> {
        self.jobs.iter().rev()
    }

    /// A job by key.
    pub fn get(&self, id: JobId) -> Option<&Activity> {
        self.jobs.iter().find(|job| job.id == id)
    }

    /// The running job that the strip shows: the latest heavy one, else the latest.
    pub fn current(&self) -> Option<&Activity> {
        let running = || self.newest_first().filter(|job| job.is_running());
        running().find(|job| job.is_heavy()).or_else(|| running().next())
    }

    /// The running job that needs the whole machine.
    pub fn heavy(&self) -> Option<&Activity> {
        self.newest_first().find(|job| job.is_running() && job.is_heavy())
    }

    /// Running jobs.
    pub fn running(&self) -> impl Iterator<Item = &Activity> {
        self.jobs.iter().filter(|job| job.is_running())
    }

    /// The latest job of this session that trains: one run, or those of a sweep.
    pub fn training(&self) -> Option<&Activity> {
        let trains =
            |job: &&Activity| matches!(job.spec, JobSpec::Train { .. } | JobSpec::Sweep(_));
        self.newest_first().find(trains)
    }

    /// The sweep that is running.
    pub fn sweep(&self) -> Option<&Activity> {
        self.running().find(|job| matches!(job.spec, JobSpec::Sweep(_)))
    }
}

/// Whether a job needs the whole machine.
pub fn is_heavy(spec: &JobSpec) -> bool {
    match spec {
        JobSpec::Train { .. }
        | JobSpec::Sweep(_)
        | JobSpec::Evaluate { .. }
        | JobSpec::Measure { .. }
        | JobSpec::Chat { .. }
        | JobSpec::Draft { source: crate::job::DraftSource::Embedded { .. }, .. } => true,
        JobSpec::AddDocument { .. }
        | JobSpec::SplitDocument { .. }
        | JobSpec::ImportPairs { .. }
        | JobSpec::AddPool { .. }
        | JobSpec::ExportPairs { .. }
        | JobSpec::Draft { .. }
        | JobSpec::PullModel { .. }
        | JobSpec::Check { .. }
        | JobSpec::Mix => false,
    }
}

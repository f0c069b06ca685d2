//! The one table of commands: keymap, key bar, help, palette and `docs/keys.md` all read it.
//!
//! A command is found by its id (`curate.accept`), works in its scope, and is named and explained
//! in [`super::strings::command`]. Frequent commands have a key that is not a letter, because a
//! Korean input method swallows letters.

use std::fmt::Write as _;

use super::Screen;
use super::keymap::Key;
use super::strings::command::describe;
use crate::pair::Language;

/// Where a command works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// On every screen, outside text fields.
    Everywhere,
    /// On one screen, outside text fields.
    On(Screen),
    /// In a text field.
    Field,
}

/// What a command can do to the user's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Risk {
    /// Changes nothing that is kept.
    Safe,
    /// Can be undone.
    Undoable,
    /// Cannot be undone: asks first.
    Confirm,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// The command.
    pub command: Command,
    /// Stable name, `area.verb`.
    pub id: &'static str,
    /// Where it works.
    pub scope: Scope,
    /// Default keys; the first is the one shown.
    pub keys: &'static [Key],
    /// What it can do to data.
    pub risk: Risk,
    /// Whether the key bar may show it; the order of the table is the bar's order.
    pub on_bar: bool,
}

macro_rules! bar {
    (bar) => {
        true
    };
    (hide) => {
        false
    };
}

macro_rules! commands {
    ($($command:ident $id:literal $scope:expr, [$($key:expr),*], $risk:ident, $bar:ident;)*) => {
        /// Something a user can ask for by key, palette or mouse.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Command {
            $(#[doc = $id] $command,)*
        }

        /// Every command, most useful first within its scope.
        pub const COMMANDS: &[Info] = &[
            $(Info {
                command: Command::$command,
                id: $id,
                scope: $scope,
                keys: &[$($key),*],
                risk: Risk::$risk,
                on_bar: bar!($bar),
            },)*
        ];
    };
}

const EVERYWHERE: Scope = Scope::Everywhere;
const FIELD: Scope = Scope::Field;
const SOURCES: Scope = Scope::On(Screen::Sources);
const CURATE: Scope = Scope::On(Screen::Curate);
const MIX: Scope = Scope::On(Screen::Mix);
const TRAIN: Scope = Scope::On(Screen::Train);
const EVALUATE: Scope = Scope::On(Screen::Evaluate);
const TRY: Scope = Scope::On(Screen::Try);
const SETTINGS: Scope = Scope::On(Screen::Settings);

commands! {
    SourcesSplit "sources.split_passage" SOURCES, [Key::Char('s')], Undoable, bar;
    SourcesBegin "sources.begin_here" SOURCES, [Key::Char('b')], Undoable, bar;
    SourcesEnd "sources.end_here" SOURCES, [Key::Char('e')], Undoable, bar;
    SourcesMerge "sources.merge_passages" SOURCES, [Key::Char('J')], Undoable, bar;
    SourcesExclude "sources.exclude_passage" SOURCES, [Key::Char('r'), Key::SPACE], Undoable, bar;
    SourcesAdd "sources.add" SOURCES, [Key::Char('a'), Key::INSERT], Safe, bar;
    SourcesDraft "sources.draft" SOURCES, [Key::Char('g'), Key::F(3)], Safe, bar;
    SourcesDraftAll "sources.draft_uncovered" SOURCES, [Key::Char('G')], Safe, bar;
    SourcesImport "sources.import" SOURCES, [Key::Char('i')], Safe, bar;
    SourcesExport "sources.export" SOURCES, [Key::Char('o')], Safe, bar;
    SourcesRemove "sources.remove" SOURCES, [Key::Char('d'), Key::DELETE], Confirm, bar;
    SourcesLength "sources.passage_length" SOURCES, [Key::Char('t')], Safe, bar;
    SourcesChanges "sources.changes" SOURCES, [Key::Char('w')], Safe, bar;
    SourcesAddEncrypted "sources.add_encrypted" SOURCES, [Key::Char('P')], Safe, hide;

    CurateAccept "curate.accept" CURATE, [Key::Char('a'), Key::SPACE], Undoable, bar;
    CurateReject "curate.reject" CURATE, [Key::Char('r'), Key::BACKSPACE], Undoable, bar;
    CurateEdit "curate.edit" CURATE, [Key::Char('e'), Key::ENTER], Undoable, bar;
    CurateNext "curate.next" CURATE, [Key::Char('n'), Key::F(7)], Safe, bar;
    CurateDraft "curate.draft" CURATE, [Key::Char('g'), Key::F(3)], Safe, bar;
    CurateNew "curate.new" CURATE, [Key::Char('i'), Key::INSERT], Undoable, bar;
    CurateNextUncovered "curate.next_uncovered" CURATE, [Key::Char('N')], Safe, bar;
    CurateFilter "curate.filter" CURATE, [Key::Char('f'), Key::F(6)], Safe, bar;
    CurateSearch "curate.search" CURATE, [Key::Char('/'), Key::Ctrl('f')], Safe, bar;
    CurateEditor "curate.editor" CURATE, [Key::Char('E'), Key::F(4)], Undoable, bar;
    CurateRendered "curate.rendered" CURATE, [Key::Char('v')], Safe, bar;
    CurateDiff "curate.diff" CURATE, [Key::Char('w')], Safe, bar;
    CurateDelete "curate.delete" CURATE, [Key::Char('d'), Key::DELETE], Undoable, bar;
    CurateMark "curate.mark" CURATE, [Key::Char('m'), Key::F(10)], Safe, bar;
    CurateTags "curate.tags" CURATE, [Key::Char('t')], Undoable, bar;
    CurateScoreUp "curate.score_up" CURATE, [Key::Char('+'), Key::Char('=')], Undoable, bar;
    CurateScoreDown "curate.score_down" CURATE, [Key::Char('-')], Undoable, hide;
    CurateSplit "curate.split" CURATE, [Key::Char('s')], Undoable, bar;
    CurateMerge "curate.merge" CURATE, [Key::Char('J')], Undoable, bar;
    CurateTools "curate.tools" CURATE, [Key::Char('T')], Undoable, bar;
    CurateSystem "curate.system" CURATE, [Key::Char('P')], Undoable, hide;
    CurateCoverage "curate.coverage" CURATE, [Key::Char('c')], Safe, bar;
    CurateChecks "curate.checks" CURATE, [Key::Char('C')], Safe, bar;
    CurateDismiss "curate.dismiss" CURATE, [Key::Char('I')], Undoable, hide;
    CurateMeasure "curate.measure_loss" CURATE, [Key::Char('L')], Safe, hide;
    CurateKnown "curate.measure_known" CURATE, [Key::Char('K')], Safe, hide;
    CurateSaved "curate.saved_filters" CURATE, [Key::Char('F')], Safe, hide;
    CurateOrder "curate.order" CURATE, [Key::Char('S')], Safe, hide;
    CurateMarkAll "curate.mark_all" CURATE, [Key::Char('M')], Safe, hide;
    CurateMarkTo "curate.mark_to" CURATE, [Key::Char('V')], Safe, hide;
    CurateScore1 "curate.score_1" CURATE, [Key::Alt('1')], Undoable, hide;
    CurateScore2 "curate.score_2" CURATE, [Key::Alt('2')], Undoable, hide;
    CurateScore3 "curate.score_3" CURATE, [Key::Alt('3')], Undoable, hide;
    CurateScore4 "curate.score_4" CURATE, [Key::Alt('4')], Undoable, hide;
    CurateScore5 "curate.score_5" CURATE, [Key::Alt('5')], Undoable, hide;
    CurateScoreNone "curate.score_none" CURATE, [Key::Alt('0')], Undoable, hide;
    CurateDuplicate "curate.duplicate" CURATE, [Key::Char('D')], Undoable, hide;
    CuratePrevious "curate.previous" CURATE, [Key::Char('p')], Safe, hide;
    CurateUnreview "curate.unreview" CURATE, [Key::Char('b')], Undoable, hide;
    CurateAcceptShown "curate.accept_shown" CURATE, [Key::Char('A')], Undoable, hide;
    CurateRejectShown "curate.reject_shown" CURATE, [Key::Char('R')], Undoable, hide;

    MixRun "mix.run" MIX, [Key::Char('m'), Key::F(8)], Safe, bar;
    MixAddPool "mix.add_pool" MIX, [Key::Char('p'), Key::INSERT], Safe, bar;
    MixDropPool "mix.remove_pool" MIX, [Key::Char('P')], Confirm, hide;
    MixMore "mix.more" MIX, [Key::Char('+'), Key::Char('='), Key::Char(']')], Safe, bar;
    MixLess "mix.less" MIX, [Key::Char('-'), Key::Char('[')], Safe, bar;

    TrainStart "train.start" TRAIN, [Key::Char('s'), Key::F(8)], Safe, bar;
    TrainResume "train.resume" TRAIN, [Key::Char('r')], Safe, bar;
    TrainSweep "train.sweep" TRAIN, [Key::Char('w')], Safe, bar;
    TrainSweeps "train.sweeps" TRAIN, [Key::Char('g')], Safe, bar;
    TrainModel "train.model" TRAIN, [Key::Char('m')], Safe, bar;
    TrainMore "train.more" TRAIN, [Key::Char('+'), Key::Char('='), Key::Char(']')], Safe, bar;
    TrainLess "train.less" TRAIN, [Key::Char('-'), Key::Char('[')], Safe, bar;
    TrainDefaults "train.defaults" TRAIN, [Key::Char('D')], Safe, hide;
    TrainSweepOlder "train.sweep_older" TRAIN, [Key::Char('<')], Safe, hide;
    TrainSweepNewer "train.sweep_newer" TRAIN, [Key::Char('>')], Safe, hide;

    EvaluateStart "evaluate.start" EVALUATE, [Key::Char('s'), Key::F(8)], Safe, bar;
    EvaluateNext "evaluate.next" EVALUATE, [Key::Char('n'), Key::F(7)], Safe, bar;
    EvaluatePrevious "evaluate.previous" EVALUATE, [Key::Char('p')], Safe, bar;
    EvaluatePanel "evaluate.forgetting" EVALUATE, [Key::Char('g')], Safe, bar;
    EvaluateSearch "evaluate.search" EVALUATE, [Key::Char('/'), Key::Ctrl('f')], Safe, bar;
    EvaluateFilter "evaluate.filter" EVALUATE, [Key::Char('f'), Key::F(6)], Safe, bar;
    EvaluateToPair "evaluate.to_pair" EVALUATE, [Key::Char('t')], Undoable, bar;
    EvaluateOlder "evaluate.older" EVALUATE, [Key::Char('[')], Safe, bar;
    EvaluateNewer "evaluate.newer" EVALUATE, [Key::Char(']')], Safe, bar;
    EvaluateBase "evaluate.base_only" EVALUATE, [Key::Char('b')], Safe, hide;

    TryWrite "try.write" TRY, [Key::Char('i'), Key::ENTER], Safe, bar;
    TryClear "try.clear" TRY, [Key::Char('c'), Key::DELETE], Safe, bar;
    TryRun "try.run" TRY, [Key::Char('m')], Safe, bar;

    SettingsPull "settings.pull_model" SETTINGS, [Key::Char('m'), Key::INSERT], Safe, bar;

    ListOpen "list.open" EVERYWHERE, [Key::ENTER], Safe, bar;
    FocusNext "focus.next" EVERYWHERE, [Key::TAB], Safe, bar;
    Undo "app.undo" EVERYWHERE, [Key::Char('u'), Key::Ctrl('z')], Safe, bar;
    Help "app.help" EVERYWHERE, [Key::Char('?'), Key::F(1)], Safe, bar;
    Palette "app.palette" EVERYWHERE, [Key::Char(':'), Key::Ctrl('p')], Safe, bar;
    StopJob "job.stop" EVERYWHERE, [Key::Char('x'), Key::F(9)], Safe, hide;
    Redo "app.redo" EVERYWHERE, [Key::Ctrl('r'), Key::Ctrl('y')], Safe, hide;
    Copy "app.copy" EVERYWHERE, [Key::Char('y')], Safe, hide;
    Back "app.back" EVERYWHERE, [Key::ESCAPE], Safe, hide;
    FocusPrevious "focus.previous" EVERYWHERE, [Key::BACK_TAB], Safe, hide;
    ListUp "list.up" EVERYWHERE, [Key::UP, Key::Char('k')], Safe, hide;
    ListDown "list.down" EVERYWHERE, [Key::DOWN, Key::Char('j')], Safe, hide;
    ListPageUp "list.page_up" EVERYWHERE, [Key::PAGE_UP], Safe, hide;
    ListPageDown "list.page_down" EVERYWHERE, [Key::PAGE_DOWN], Safe, hide;
    ListFirst "list.first" EVERYWHERE, [Key::HOME], Safe, hide;
    ListLast "list.last" EVERYWHERE, [Key::END], Safe, hide;
    GoPrevious "go.previous" EVERYWHERE, [Key::LEFT, Key::Char('h')], Safe, hide;
    GoNext "go.next" EVERYWHERE, [Key::RIGHT, Key::Char('l')], Safe, hide;
    GoHome "go.home" EVERYWHERE, [Key::Char('0')], Safe, hide;
    GoSources "go.sources" EVERYWHERE, [Key::Char('1')], Safe, hide;
    GoCurate "go.curate" EVERYWHERE, [Key::Char('2')], Safe, hide;
    GoMix "go.mix" EVERYWHERE, [Key::Char('3')], Safe, hide;
    GoTrain "go.train" EVERYWHERE, [Key::Char('4')], Safe, hide;
    GoEvaluate "go.evaluate" EVERYWHERE, [Key::Char('5')], Safe, hide;
    GoTry "go.try" EVERYWHERE, [Key::Char('6')], Safe, hide;
    GoJobs "go.jobs" EVERYWHERE, [Key::Char('7')], Safe, hide;
    GoSettings "go.settings" EVERYWHERE, [Key::Char('8')], Safe, hide;
    SwitchLanguage "app.language" EVERYWHERE, [Key::F(2)], Safe, hide;
    SwitchSymbols "app.symbols" EVERYWHERE, [], Safe, hide;
    Reload "app.reload" EVERYWHERE, [Key::F(5)], Safe, hide;
    Quit "app.quit" EVERYWHERE, [Key::Char('q'), Key::Ctrl('c'), Key::Ctrl('q')], Safe, bar;

    FieldSave "field.save" FIELD, [Key::Ctrl('s'), Key::F(8)], Safe, bar;
    FieldNext "field.next" FIELD, [Key::TAB], Safe, bar;
    FieldPrevious "field.previous" FIELD, [Key::BACK_TAB], Safe, hide;
    FieldDiff "field.diff" FIELD, [Key::Ctrl('d')], Safe, bar;
    FieldAddTurn "field.add_turn" FIELD, [Key::Ctrl('n')], Safe, bar;
    FieldCall "field.call" FIELD, [Key::Ctrl('t')], Safe, bar;
    FieldSystem "field.system" FIELD, [Key::Ctrl('o')], Safe, hide;
    FieldSplit "field.split" FIELD, [Key::Ctrl('k')], Undoable, bar;
    FieldEditor "field.editor" FIELD, [Key::Ctrl('e'), Key::F(4)], Safe, bar;
    FieldLeave "field.leave" FIELD, [Key::ESCAPE], Safe, bar;
    FieldPassageDown "field.passage_down" FIELD, [Key::PAGE_DOWN], Safe, bar;
    FieldPassageUp "field.passage_up" FIELD, [Key::PAGE_UP], Safe, hide;
}

impl Command {
    /// The command's row in the table.
    pub fn info(self) -> &'static Info {
        // The enum and the table are written by one macro, in one order.
        &COMMANDS[self as usize]
    }

    /// What it is called, in few words.
    pub fn label(self, language: Language) -> &'static str {
        describe(self).0.of(language)
    }

    /// What it does, in one sentence.
    pub fn help(self, language: Language) -> &'static str {
        describe(self).1.of(language)
    }
}

/// The commands that work on `screen` outside text fields, the screen's own first.
pub fn on_screen(screen: Screen) -> impl Iterator<Item = &'static Info> {
    let own = COMMANDS.iter().filter(move |info| info.scope == Scope::On(screen));
    own.chain(COMMANDS.iter().filter(|info| info.scope == Scope::Everywhere))
}

/// The commands that work in a text field.
pub fn in_field() -> impl Iterator<Item = &'static Info> {
    COMMANDS.iter().filter(|info| info.scope == Scope::Field)
}

/// The key list as a Markdown page, in both languages. `docs/keys.md` is this text.
pub fn keys_markdown() -> String {
    let mut out = String::from(
        "# Keys · 키\n\nWritten from the command table by a test; edit `src/app/command.rs` \
         instead.\nOutside text fields every letter key also works with a Korean input method \
         on (`ㅁ` is `a`).\n",
    );
    let mut section = None;
    for info in sorted_by_scope() {
        if section != Some(info.scope) {
            section = Some(info.scope);
            let (ko, en) = (
                super::strings::scope(info.scope).of(Language::Korean),
                super::strings::scope(info.scope).of(Language::English),
            );
            let _ = write!(
                out,
                "\n## {en} · {ko}\n\n| keys | command | what it does | 설명 |\n|---|---|---|---|\n"
            );
        }
        let keys: Vec<String> = info.keys.iter().map(|key| format!("`{key}`")).collect();
        let (en, ko) = (info.command.help(Language::English), info.command.help(Language::Korean));
        let _ = writeln!(out, "| {} | `{}` | {en} | {ko} |", keys.join(" "), info.id);
    }
    out
}

fn sorted_by_scope() -> Vec<&'static Info> {
    let mut rows: Vec<_> = COMMANDS.iter().collect();
    rows.sort_by_key(|info| match info.scope {
        Scope::Everywhere => 0,
        Scope::Field => 1,
        Scope::On(screen) => 2 + screen as usize,
    });
    rows
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::app::SCREENS;

    #[test]
    fn table_order_ids_and_keys_are_sound() {
        let mut ids = HashSet::new();
        for (index, info) in COMMANDS.iter().enumerate() {
            assert_eq!(info.command as usize, index);
            assert!(ids.insert(info.id), "{} twice", info.id);
            assert!(info.id.split_once('.').is_some());
        }
    }

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for screen in SCREENS {
            let mut own = HashSet::new();
            let mut everywhere = HashSet::new();
            for info in on_screen(screen) {
                for key in info.keys {
                    let seen =
                        if info.scope == Scope::Everywhere { &mut everywhere } else { &mut own };
                    assert!(seen.insert(*key), "{key} twice on {screen:?}");
                }
            }
            // Only Enter may be taken over by a screen.
            let taken: Vec<_> = own.intersection(&everywhere).collect();
            assert!(taken.iter().all(|key| **key == Key::ENTER), "{screen:?}: {taken:?}");
        }
    }

    #[test]
    fn frequent_commands_have_a_key_that_is_no_letter() {
        use Command as C;
        for command in [
            C::CurateAccept,
            C::CurateReject,
            C::CurateEdit,
            C::CurateNext,
            C::SourcesAdd,
            C::TrainStart,
            C::EvaluateStart,
            C::Undo,
            C::Help,
            C::ListUp,
            C::ListDown,
            C::StopJob,
            C::Quit,
        ] {
            let letterless =
                |key: &Key| !matches!(key, Key::Char(letter) if letter.is_alphabetic());
            assert!(command.info().keys.iter().any(letterless), "{command:?}");
        }
    }

    #[test]
    fn the_key_list_names_every_command() {
        let page = keys_markdown();
        for info in COMMANDS {
            assert!(page.contains(&format!("`{}`", info.id)));
        }
        assert!(page.contains("큐레이션") && page.contains("`Ctrl-R`"));
    }
}

//! Name and explanation of every command.

use super::{Text, text};
use crate::app::command::Command;

/// The label (few words) and the help sentence of a command.
pub fn describe(command: Command) -> (Text, Text) {
    use Command as C;
    let (label_ko, label_en, help_ko, help_en) = match command {
        C::SourcesAdd => (
            "문서 추가",
            "add",
            "문서를 추가합니다 (PDF, 한글 HWPX, Word, HTML, Markdown, 텍스트)",
            "Adds a document (PDF, HWPX, Word, HTML, Markdown, text)",
        ),
        C::SourcesDraft => (
            "초안",
            "draft",
            "선택한 구절에 대한 문답을 모델이 제안합니다",
            "Has a model propose pairs about the selected passage",
        ),
        C::SourcesDraftAll => (
            "빈 곳 초안",
            "draft uncovered",
            "문답이 없는 모든 구절에 대해 모델이 제안합니다",
            "Has a model propose pairs for every passage of the document that has none",
        ),
        C::SourcesImport => (
            "가져오기",
            "import",
            "파일의 문답을 먼저 보고 가져옵니다 (JSONL, JSON, CSV, Parquet)",
            "Looks at a file of pairs and imports it (JSONL, JSON, CSV, Parquet)",
        ),
        C::SourcesExport => (
            "내보내기",
            "export",
            "승인한 문답을 다른 도구의 형식으로 내보냅니다",
            "Exports the accepted pairs in the form another program reads",
        ),
        C::SourcesRemove => (
            "제거",
            "remove",
            "문서와 그 쪽, 구절을 프로젝트에서 지웁니다",
            "Removes the document with its pages and passages from the project",
        ),
        C::SourcesSplit => (
            "나누기",
            "split",
            "고른 문장 앞에서 구절을 둘로 나눕니다",
            "Splits the passage before the selected sentence",
        ),
        C::SourcesMerge => (
            "합치기",
            "merge",
            "같은 쪽의 다음 구절과 합칩니다",
            "Merges the passage with the next one on its page",
        ),
        C::SourcesExclude => (
            "빼기",
            "leave out",
            "구절을 초안과 범위에서 빼거나 다시 넣습니다",
            "Leaves the passage out of drafting and coverage, or takes it in again",
        ),
        C::SourcesLength => (
            "구절 길이",
            "passage length",
            "문서를 다른 길이의 구절로 다시 나눕니다; 문답은 인용이 있는 구절에 남습니다",
            "Splits the document into passages of another length; pairs stay where their quotes are",
        ),
        C::SourcesChanges => (
            "새 판",
            "changes",
            "문서의 새 판에서 바뀐 구절을 보입니다",
            "Shows what the new version of the document changed",
        ),
        C::SourcesBegin => (
            "여기서 시작",
            "begin here",
            "구절이 고른 문장에서 시작하게 합니다",
            "Lets the passage begin with the selected sentence",
        ),
        C::SourcesEnd => (
            "여기서 끝",
            "end here",
            "구절이 고른 문장에서 끝나게 합니다",
            "Lets the passage end with the selected sentence",
        ),
        C::SourcesAddEncrypted => (
            "암호 문서 추가",
            "add with password",
            "암호가 걸린 문서를 추가합니다",
            "Adds a document that needs a password",
        ),
        C::CurateAccept => (
            "승인",
            "accept",
            "문답을 승인하고 다음으로 넘어갑니다",
            "Accepts the pair and moves on",
        ),
        C::CurateReject => (
            "거절",
            "reject",
            "문답을 거절하고 다음으로 넘어갑니다",
            "Rejects the pair and moves on",
        ),
        C::CurateEdit => (
            "고치기",
            "edit",
            "질문과 답변을 이 자리에서 고칩니다",
            "Edits question and answer in place",
        ),
        C::CurateNext => (
            "다음 초안",
            "next draft",
            "다음 미검토 문답으로 갑니다",
            "Goes to the next pair that waits for review",
        ),
        C::CurateDraft => (
            "초안",
            "draft",
            "이 구절에 대한 문답을 모델이 제안합니다",
            "Has a model propose pairs about this passage",
        ),
        C::CurateNew => (
            "새 문답",
            "new",
            "구절 옆에서 새 문답을 씁니다",
            "Writes a new pair beside the passage",
        ),
        C::CurateNextUncovered => (
            "빈 쪽",
            "uncovered",
            "문답이 없는 다음 쪽으로 갑니다",
            "Goes to the next page that no pair is about",
        ),
        C::CurateFilter => (
            "거르기",
            "filter",
            "상태로 거릅니다: 모두, 초안, 승인, 거절",
            "Filters by state: all, drafts, accepted, rejected",
        ),
        C::CurateSearch => (
            "찾기",
            "find",
            "글자나 초성(ㄴㅈㅅㄱ)으로 찾습니다",
            "Finds by text, Korean also by initial consonants",
        ),
        C::CurateEditor => {
            ("편집기", "editor", "바깥 편집기($EDITOR)에서 고칩니다", "Edits the pair in $EDITOR")
        }
        C::CurateRendered => (
            "모델이 보는 대로",
            "as model sees",
            "채팅 템플릿을 입힌 줄과 학습되는 토큰을 봅니다",
            "Shows the rendered row with the trained tokens",
        ),
        C::CurateDiff => (
            "바뀐 점",
            "changes",
            "마지막 고침에서 바뀐 낱말을 봅니다",
            "Shows the words that the last edit changed",
        ),
        C::CurateDelete => (
            "삭제",
            "delete",
            "문답을 지웁니다 (되돌릴 수 있음)",
            "Deletes the pair (can be undone)",
        ),
        C::CurateMark => (
            "표시",
            "mark",
            "문답을 표시합니다 · 명령은 표시한 문답 모두에 듣습니다",
            "Marks the pair; commands work on all that are marked",
        ),
        C::CurateTools => (
            "도구",
            "tools",
            "문답이 내놓는 도구를 고르고 프로젝트의 도구를 고칩니다",
            "Chooses the tools that the pair offers, and edits the project's",
        ),
        C::CurateSystem => (
            "시스템 글",
            "system prompt",
            "표시한 문답, 또는 이것의 시스템 글을 씁니다",
            "Writes the system prompt of the marked pairs, or of this one",
        ),
        C::CurateCoverage => (
            "덮은 곳",
            "coverage",
            "쪽과 조항마다 문답이 몇 개인지 보고 빈 곳으로 갑니다",
            "Shows how many pairs each page and clause has, and where the holes are",
        ),
        C::CurateChecks => (
            "점검",
            "checks",
            "문답을 점검하고 나온 것을 종류별로 훑습니다",
            "Checks the pairs and works through what is found, by kind",
        ),
        C::CurateDismiss => (
            "문제없음",
            "no problem",
            "점검에서 나온 것을 문제없음으로 둡니다; 문답을 고치면 다시 봅니다",
            "Judges what was found to be no problem, until the pair changes",
        ),
        C::CurateMeasure => (
            "손실 재기",
            "measure loss",
            "기본 모델이 각 답에 놀라는 정도를 잽니다 (정렬:손실)",
            "Measures the base model's loss of each answer (sort:-loss)",
        ),
        C::CurateKnown => (
            "앎 재기",
            "measure knowledge",
            "기본 모델이 답을 이미 아는지 뽑아 봅니다 (앎:예)",
            "Samples answers to see what the base model knows already (known:yes)",
        ),
        C::CurateSaved => (
            "저장한 조건",
            "saved filters",
            "저장한 찾기 조건을 고릅니다 · 찾기 줄에서 Ctrl-S로 저장",
            "Chooses a saved filter; Ctrl-S in the search line saves one",
        ),
        C::CurateOrder => (
            "차례",
            "order",
            "목록의 차례를 고릅니다: 추가, 길이, 점수, 손실, 쪽",
            "Chooses the order of the list: added, length, score, loss, page",
        ),
        C::CurateMarkTo => (
            "여기까지 표시",
            "mark to here",
            "마지막으로 표시한 문답에서 여기까지 모두 표시합니다",
            "Marks everything from the last mark to here",
        ),
        C::CurateMarkAll => (
            "모두 표시",
            "mark all",
            "목록의 문답을 모두 표시하거나 표시를 모두 지웁니다",
            "Marks everything listed, or removes all marks",
        ),
        C::CurateTags => (
            "꼬리표",
            "tags",
            "문답의 꼬리표를 적습니다 · 여럿이면 더하거나 뺍니다",
            "Writes the tags of the pair; of several, adds or removes them",
        ),
        C::CurateScoreUp => {
            ("점수 +", "score up", "점수를 하나 올립니다 (1-5)", "Raises the score by one (1 to 5)")
        }
        C::CurateScoreDown => {
            ("점수 -", "score down", "점수를 하나 내립니다", "Lowers the score by one")
        }
        C::CurateScore1 => ("점수 1", "score 1", "점수 1을 매깁니다 (나쁨)", "Scores 1 (poor)"),
        C::CurateScore2 => ("점수 2", "score 2", "점수 2를 매깁니다", "Scores 2"),
        C::CurateScore3 => ("점수 3", "score 3", "점수 3을 매깁니다", "Scores 3"),
        C::CurateScore4 => ("점수 4", "score 4", "점수 4를 매깁니다", "Scores 4"),
        C::CurateScore5 => ("점수 5", "score 5", "점수 5를 매깁니다 (좋음)", "Scores 5 (good)"),
        C::CurateScoreNone => ("점수 없음", "no score", "점수를 지웁니다", "Takes the score away"),
        C::CurateSplit => (
            "나누기",
            "split",
            "여러 차례의 대화를 질문마다 문답 하나로 나눕니다",
            "Splits a conversation into one pair for each question",
        ),
        C::CurateMerge => (
            "합치기",
            "merge",
            "표시한 문답, 또는 이것과 다음 것을 한 대화로 합칩니다",
            "Merges the marked pairs, or this one and the next, into one conversation",
        ),
        C::CurateDuplicate => {
            ("복제", "duplicate", "문답을 초안으로 복제합니다", "Copies the pair as a new draft")
        }
        C::CuratePrevious => (
            "이전 초안",
            "previous draft",
            "이전 미검토 문답으로 갑니다",
            "Goes to the previous pair that waits for review",
        ),
        C::CurateUnreview => (
            "초안으로",
            "back to draft",
            "문답을 다시 초안으로 돌립니다",
            "Makes the pair a draft again",
        ),
        C::CurateAcceptShown => (
            "모두 승인",
            "accept shown",
            "목록에 보이는 초안을 모두 승인합니다",
            "Accepts every draft in the list as one edit",
        ),
        C::CurateRejectShown => (
            "모두 거절",
            "reject shown",
            "목록에 보이는 초안을 모두 거절합니다",
            "Rejects every draft in the list as one edit",
        ),
        C::MixRun => (
            "섞기",
            "mix",
            "학습 세트를 만들고 수치를 셉니다",
            "Puts the training set together and counts it",
        ),
        C::MixAddPool => (
            "일반 대화 더하기",
            "add pool",
            "파일의 일반 대화를 더해 섞기가 거기서도 뽑게 합니다",
            "Adds a file of general conversation for the mix to draw from",
        ),
        C::MixDropPool => (
            "일반 대화 빼기",
            "remove pool",
            "더한 일반 대화를 뺍니다; 원래 파일은 남습니다",
            "Takes a pool of your own away; the file it came from stays",
        ),
        C::MixMore | C::TrainMore => (
            "늘림",
            "more",
            "선택한 값을 한 단계 늘립니다",
            "Raises the selected value by one step",
        ),
        C::MixLess | C::TrainLess => (
            "줄임",
            "less",
            "선택한 값을 한 단계 줄입니다",
            "Lowers the selected value by one step",
        ),
        C::TrainStart => (
            "학습 시작",
            "start",
            "지금 설정으로 새 학습을 시작합니다",
            "Starts a run with these settings",
        ),
        C::TrainResume => (
            "이어서",
            "resume",
            "선택한 학습을 체크포인트부터 잇습니다",
            "Goes on with the selected run from its checkpoint",
        ),
        C::TrainSweep => (
            "훑기",
            "sweep",
            "설정을 바꿔 가며 하나씩 학습하고 평가합니다",
            "Trains and evaluates one run for every combination of settings",
        ),
        C::TrainSweeps => (
            "훑은 것",
            "sweeps",
            "훑기의 학습들과, 목표와 잊은 것의 그림을 보입니다",
            "Shows a sweep's runs, and target against what was forgotten",
        ),
        C::TrainSweepOlder => {
            ("이전 훑기", "older sweep", "그 전의 훑기를 보입니다", "Shows the sweep before")
        }
        C::TrainSweepNewer => {
            ("다음 훑기", "newer sweep", "그 뒤의 훑기를 보입니다", "Shows the sweep after")
        }
        C::TrainModel => ("모델", "model", "기본 모델을 고릅니다", "Chooses the base model"),
        C::TrainDefaults => (
            "기본값",
            "defaults",
            "학습 설정을 기본값으로 돌립니다",
            "Sets the recipe back to its defaults",
        ),
        C::EvaluateStart => (
            "평가 시작",
            "start",
            "기본과 마지막 학습을 나란히 평가합니다",
            "Scores base and the latest run side by side",
        ),
        C::EvaluateNext => (
            "다음 차이",
            "next difference",
            "두 답의 판정이 다른 다음 문항으로 갑니다",
            "Goes to the next item on which the models disagree",
        ),
        C::EvaluatePrevious => (
            "이전 차이",
            "previous",
            "두 답의 판정이 다른 이전 문항으로 갑니다",
            "Goes to the previous item on which the models disagree",
        ),
        C::EvaluatePanel => (
            "망각",
            "forgetting",
            "얻은 것과 잊은 것을 한눈에 봅니다",
            "Shows what was gained and what was forgotten at a glance",
        ),
        C::EvaluateSearch => (
            "찾기",
            "search",
            "질문, 기대한 답, 두 답에서 찾습니다(초성도)",
            "Searches questions, expected answers and both answers",
        ),
        C::EvaluateFilter => (
            "거르기",
            "filter",
            "문항을 거릅니다: 모두, 좋아짐, 나빠짐, 둘 다 틀림",
            "Filters items: all, improved, regressed, both wrong",
        ),
        C::EvaluateToPair => (
            "문답으로",
            "to pair",
            "이 문항의 질문과 기대한 답을 문답으로 만듭니다",
            "Makes a training pair of the item's question and expected answer",
        ),
        C::EvaluateOlder => (
            "이전 평가",
            "older",
            "더 오래된 평가를 봅니다",
            "Shows the evaluation before this one",
        ),
        C::EvaluateNewer => {
            ("다음 평가", "newer", "더 새로운 평가를 봅니다", "Shows the evaluation after this one")
        }
        C::EvaluateBase => {
            ("기본만 평가", "base only", "기본 모델만 평가합니다", "Scores the base model alone")
        }
        C::TryWrite => ("쓰기", "write", "메시지를 씁니다", "Writes a message"),
        C::TryClear => ("새 대화", "new chat", "대화를 비웁니다", "Starts a new conversation"),
        C::TryRun => (
            "학습 고르기",
            "choose run",
            "기본 옆에 세울 학습을 고릅니다",
            "Chooses the run that answers beside the base",
        ),
        C::SettingsPull => {
            ("모델 받기", "pull model", "이름으로 모델을 내려받습니다", "Fetches a model by name")
        }
        C::ListOpen => ("열기", "open", "선택한 것을 엽니다", "Opens what is selected"),
        C::FocusNext => {
            ("다음 칸", "next column", "다음 칸으로 옮깁니다", "Moves to the next column")
        }
        C::Undo => ("되돌리기", "undo", "마지막 고침을 되돌립니다", "Takes back the last edit"),
        C::Help => (
            "도움말",
            "help",
            "여기서 쓸 수 있는 키를 모두 봅니다",
            "Shows every key that works here",
        ),
        C::Palette => (
            "명령",
            "commands",
            "이름으로 명령을 찾아 실행합니다",
            "Finds a command by name and runs it",
        ),
        C::StopJob => (
            "멈춤",
            "stop",
            "진행 중인 작업을 멈춥니다 (한 만큼은 남음)",
            "Stops the running job; what was done is kept",
        ),
        C::Redo => {
            ("다시 하기", "redo", "되돌린 고침을 다시 합니다", "Does again what was taken back")
        }
        C::Copy => (
            "복사",
            "copy",
            "선택한 글을 클립보드에 넣습니다",
            "Copies the selected text to the clipboard",
        ),
        C::Back => ("뒤로", "back", "닫거나 한 단계 돌아갑니다", "Closes or goes back one step"),
        C::FocusPrevious => {
            ("이전 칸", "previous column", "이전 칸으로 옮깁니다", "Moves to the previous column")
        }
        C::ListUp => ("위로", "up", "한 줄 위로", "One line up"),
        C::ListDown => ("아래로", "down", "한 줄 아래로", "One line down"),
        C::ListPageUp => ("한 화면 위로", "page up", "한 화면 위로", "One page up"),
        C::ListPageDown => ("한 화면 아래로", "page down", "한 화면 아래로", "One page down"),
        C::ListFirst => ("처음", "first", "처음으로", "To the first"),
        C::ListLast => ("끝", "last", "끝으로", "To the last"),
        C::GoPrevious => {
            ("앞 단계", "stage before", "앞 단계 화면으로 갑니다", "Goes to the stage before")
        }
        C::GoNext => {
            ("다음 단계", "next stage", "다음 단계 화면으로 갑니다", "Goes to the next stage")
        }
        C::GoHome => ("홈", "home", "홈 화면으로 갑니다", "Goes to the home screen"),
        C::GoSources => ("문서", "sources", "문서 화면으로 갑니다", "Goes to Sources"),
        C::GoCurate => ("큐레이션", "curate", "큐레이션 화면으로 갑니다", "Goes to Curate"),
        C::GoMix => ("섞기 화면", "mix screen", "섞기 화면으로 갑니다", "Goes to Mix"),
        C::GoTrain => ("학습", "train", "학습 화면으로 갑니다", "Goes to Train"),
        C::GoEvaluate => ("평가", "evaluate", "평가 화면으로 갑니다", "Goes to Evaluate"),
        C::GoTry => ("써 보기", "try", "써 보기 화면으로 갑니다", "Goes to Try"),
        C::GoJobs => ("작업", "jobs", "작업 화면으로 갑니다", "Goes to Jobs"),
        C::GoSettings => ("설정", "settings", "설정 화면으로 갑니다", "Goes to Settings"),
        C::SwitchLanguage => (
            "한국어/English",
            "English/한국어",
            "화면의 언어를 바꿉니다",
            "Switches the language of the interface",
        ),
        C::SwitchSymbols => (
            "기호 바꾸기",
            "switch symbols",
            "기호를 유니코드와 ASCII 사이에서 바꿉니다",
            "Switches between Unicode and ASCII symbols",
        ),
        C::Reload => ("새로 읽기", "reload", "프로젝트를 다시 읽습니다", "Reads the project again"),
        C::Quit => (
            "끝내기",
            "quit",
            "끝냅니다; 작업이 진행 중이면 먼저 묻습니다",
            "Quits; asks first while a job runs",
        ),
        C::FieldSave => ("저장", "save", "쓴 것을 저장합니다", "Saves what was typed"),
        C::FieldNext => (
            "다음 칸",
            "next field",
            "질문과 답변 사이를 오갑니다",
            "Moves between question and answer",
        ),
        C::FieldPrevious => {
            ("이전 칸", "previous field", "이전 칸으로 갑니다", "Goes to the previous field")
        }
        C::FieldAddTurn => (
            "차례 더하기",
            "add a turn",
            "질문과 답변을 한 번 더 넣습니다 · 비워 두면 빠집니다",
            "Adds another question and answer; left empty, they are dropped",
        ),
        C::FieldCall => (
            "도구 호출",
            "tool call",
            "도구 호출의 인자를 칸에 채웁니다 · 스키마로 바로 검사",
            "Fills in a tool's call by form, checked against its schema at every key",
        ),
        C::FieldSystem => (
            "시스템 글",
            "system prompt",
            "이 문답의 시스템 글을 씁니다",
            "Writes this pair's system prompt",
        ),
        C::FieldSplit => (
            "여기서 나누기",
            "split here",
            "커서 뒤의 답변을 새 초안으로 나눕니다",
            "Makes a new draft of the answer behind the cursor",
        ),
        C::FieldDiff => (
            "바뀐 점",
            "changes",
            "저장된 글과 다른 낱말을 봅니다",
            "Shows the words that differ from the saved text",
        ),
        C::FieldEditor => (
            "편집기",
            "editor",
            "쓰던 글을 바깥 편집기($EDITOR)로 엽니다",
            "Opens the text in $EDITOR",
        ),
        C::FieldPassageDown => (
            "구절 아래로",
            "passage down",
            "쓰는 동안 옆의 구절을 아래로 넘깁니다",
            "Scrolls the passage down while you write about it",
        ),
        C::FieldPassageUp => (
            "구절 위로",
            "passage up",
            "쓰는 동안 옆의 구절을 위로 넘깁니다",
            "Scrolls the passage up while you write about it",
        ),
        C::FieldLeave => (
            "나가기",
            "leave",
            "칸에서 나갑니다; 쓰던 글은 남습니다",
            "Leaves the field; what was typed is kept",
        ),
    };
    (text(label_ko, label_en), text(help_ko, help_en))
}

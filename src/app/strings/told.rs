//! What jobs tell at their end, in Korean; in English they tell it themselves.

use crate::job::Told;
use crate::pair::Language;
use crate::project::ImportKind;

/// What a job told, in the language of the interface.
pub fn told(told: &Told, language: Language) -> String {
    match language {
        Language::English => told.to_string(),
        Language::Korean => korean(told),
    }
}

fn korean(told: &Told) -> String {
    match told {
        Told::Nothing => String::new(),
        Told::NotDone => "멈췄습니다, 바뀐 것이 없습니다".to_owned(),
        Told::Document { name, pages, passages, imported } => {
            let changes = &imported.changes;
            match imported.kind {
                ImportKind::Same => format!("{name}: 이미 있던 문서입니다"),
                ImportKind::New => format!("{name}: {pages}쪽, 구절 {passages}개"),
                ImportKind::Replaced => {
                    let lost = match changes.pairs_lost {
                        0 => String::new(),
                        lost => format!(", 인용을 잃은 문답 {lost}개"),
                    };
                    format!(
                        "{name}: {pages}쪽, 구절 {passages}개 (그대로 {}, 바뀜 {}, 새로 {}, 없어짐 {}), 남은 문답 {}개{lost}",
                        changes.unchanged,
                        changes.changed.len(),
                        changes.new.len(),
                        changes.gone.len(),
                        changes.pairs_kept,
                    )
                }
            }
        }
        Told::Pairs { added, repeated, faults, tenths } => format!(
            "문답 {added}개를 {}.{}초에 가져왔습니다, 이미 있던 것 {repeated}, 문제 {faults}",
            tenths / 10,
            tenths % 10
        ),
        Told::Pool { name, rows, faults } => format!("{name}: 대화 {rows}개, 문제 {faults}"),
        Told::Exported { written, left_out, path } => {
            let rest = match left_out {
                0 => String::new(),
                left_out => format!(", {left_out}개는 담지 못했습니다"),
            };
            format!("승인한 문답 {written}개를 {}에 썼습니다{rest}", path.display())
        }
        Told::Drafted { kept, refused } => {
            format!("검토할 초안 {kept}개, 물리친 제안 {refused}개")
        }
        Told::DraftsKept(kept) => format!("초안 {kept}개를 남겼습니다"),
        Told::Mixed(rows) => format!("{rows}줄"),
        Told::Measured { total: 0, .. } => "모든 문답을 이미 쟀습니다".to_owned(),
        Told::Measured { done, total, model } => {
            format!("{model} 모델로 문답 {total}개 중 {done}개를 쟀습니다")
        }
        Told::Trained { run, steps } => format!("학습 {run}번: {steps}걸음"),
        Told::TrainingStopped { run, step, steps } => {
            format!(
                "학습 {run}번을 {steps}걸음 중 {step}걸음에서 멈췄습니다 · 학습 화면에서 r로 잇기"
            )
        }
        Told::Swept { measured, runs, chart } => {
            format!("학습 {measured}/{runs}번을 쟀습니다 · 그림: {}", chart.display())
        }
        Told::SweepStopped { sweep, left, runs } => {
            format!(
                "훑기 {sweep}번을 멈췄습니다, {left}/{runs}번 남음 · 학습 화면의 훑기(g)에서 r로, 또는 같은 명령으로 잇기"
            )
        }
        Told::Report(path) => format!("보고서: {}", path.display()),
        Told::Model { name, path } => format!("{name}: {}", path.display()),
        Told::FetchKept => "받은 만큼은 남았습니다; 다음에 이어서 받습니다".to_owned(),
        Told::AnswerCut => "답이 중간에 끊겼습니다".to_owned(),
    }
}

//! What a sweep tells while it goes on.

use super::{Text, text};
use crate::app::format;
use crate::job::sweep::SweepEvent;
use crate::job::sweep::plan::Shortage;
use crate::pair::Language;

/// What happened in a sweep, in one line; empty for what says nothing new.
pub fn sweep(event: &SweepEvent, language: Language) -> String {
    const BEGINS: Text =
        text("훑기 {0}번: 학습 {1}번 가운데 {2}번 남음", "sweep {0}: {1} runs, {2} to do");
    const RUN: Text = text("{0}/{1} · 학습 {2}번: {3}", "{0} of {1} · run {2}: {3}");
    const MEASURED: Text = text("학습 {0}번: 목표 {1} (n={2})", "run {0}: target {1} (n={2})");
    const KEPT: Text = text(", 다른 능력은 평균 {0}점", ", other abilities {0} points on the mean");
    const FAILED: Text =
        text("학습 {0}번 실패: {1} · 훑기는 이어집니다", "run {0} failed: {1}; the sweep goes on");
    match event {
        SweepEvent::Sweep { sweep, runs, left, .. } => BEGINS.fill(language, &[sweep, runs, left]),
        SweepEvent::Short(shortage) => short(shortage, language),
        SweepEvent::Run { place, runs, run, setting, .. } => {
            RUN.fill(language, &[place, runs, run, setting])
        }
        SweepEvent::Measured { run, target, n, forgetting } => {
            let target = format::percent(*target);
            let kept = forgetting.map(|delta| format!("{:+.1}", 100.0 * delta));
            let kept = kept.map(|points| KEPT.fill(language, &[&points])).unwrap_or_default();
            MEASURED.fill(language, &[run, &target, n]) + &kept
        }
        SweepEvent::RunFailed { run, reason } => {
            let run = run.map_or_else(|| "-".to_owned(), |run| run.to_string());
            FAILED.fill(language, &[&run, reason])
        }
        SweepEvent::Chart { .. } => String::new(),
    }
}

/// That the pools are too small for a share asked for, and what helps.
pub fn short(shortage: &Shortage, language: Language) -> String {
    const SHORT: Text = text(
        "일반 대화가 {0} 토큰 모자랍니다: 몫 {1} %로 하려던 학습 {2}번은 {3} %만 섞입니다. 섞기 화면에서 더하거나(p) 몫을 줄이세요",
        "the general pools lack {0} tokens for mix {1}: {2} run{2s} would get {3} %. Add a pool on Mix (p) or ask for less",
    );
    let Shortage { asked, given, tokens, runs } = shortage;
    let (asked, given) = (format!("{:.0}", 100.0 * asked), format!("{:.1}", 100.0 * given));
    SHORT.fill(language, &[&format::count(*tokens as u64), &asked, runs, &given])
}

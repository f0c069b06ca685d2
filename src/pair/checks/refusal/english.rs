//! Refusals in English.

use std::sync::LazyLock;

use regex::Regex;

use super::sentences;

/// What is looked in.
const SOURCE: &str = "(?:the|this|that|your|any|either) (?:\\w+ ){0,2}?(?:text|passage|document|documents|page|context|source|sources|excerpt|material|materials|information|article|content|quote|paragraph|extract)";

/// Verbs of what a source says.
const SAYS: &str = "(?:say|state|mention|specify|contain|provide|include|give|tell|indicate|cover|address|answer|describe|explain|list|reveal|discuss|offer|define|clarify|show)";

/// What is done to what a source says.
const SAID: &str = "(?:stated|mentioned|specified|contained|given|provided|included|found|described|listed|indicated|covered|available|addressed|answered|disclosed|discussed|defined|shown|present|clear)";

/// What one who declines cannot do.
const ACTS: &str = "(?:find|answer|help|provide|determine|tell|say|assist|locate|comply|confirm|verify|give|share|access|see|know|identify|infer|respond|discuss|fulfill|disclose|offer)";

/// Patterns of a sentence: those that decline wherever they stand, and those that decline where the answer
/// stands in a text.
struct Patterns {
    always: Vec<Regex>,
    drawn: Vec<Regex>,
}

#[expect(clippy::unwrap_used, reason = "the patterns are constants; a test compiles them")]
static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let sorry =
        "(?:sorry|apologies|(?:i'm|i am) sorry(?: to say)?|i apologi[sz]e|(?:i'm|i am) afraid)";
    let hedge = format!(
        "(?:unfortunately|regrettably|well|hmm|no|however|but|based on [^,]*|from [^,]*|according to [^,]*|{sorry})"
    );
    let start = format!("^(?:{hedge}(?:, but |, | but |; |\\.\\.\\. ?| that | )?)*");
    let adverb =
        "(?:really |currently |explicitly |actually |directly |clearly |specifically |simply )?";
    let cannot = "(?:can't|cannot|can not|could not|couldn't|(?:am|'m|was) (?:unable|not able) to|wasn't able to|do not|don't|did not|didn't|won't|will not)";
    let have = "(?:(?:have|had) no (?:\\w+ ){0,2}|(?:don't|do not) have (?:\\w+ ){0,3})(?:information|access|details?|data|knowledge|idea|answer|way)";
    let not = "(?:does not|doesn't|do not|don't|did not|didn't|never)";
    let is_not = "(?:(?:is|are|was|were|has been) (?:not|nowhere)|isn't|aren't|wasn't|weren't)";
    // What goes on behind the source is a rule about what it does not cover.
    let end = "(?:$|[,;:.)]| so\\b| and\\b| but\\b| which\\b| or\\b)";
    let always = [
        format!("^{sorry}(?:, but|,| but|;)? i ?(?:{cannot} {adverb}{ACTS}|{have})\\b"),
        format!(
            "^as an? (?:ai|artificial|(?:large )?language model)\\b[^.]* i ?(?:{cannot}|am not|'m not)\\b"
        ),
        format!("{start}{SOURCE} {not} {adverb}(?:seem to |appear to )?{SAYS}\\b"),
        format!(
            "{start}{SOURCE} (?:is silent|(?:provides?|has|contains?|gives?|offers?) (?:no|nothing|insufficient|not enough))\\b"
        ),
        format!(
            "{start}(?:\\w+ ){{0,6}}?{is_not} {adverb}{SAID} (?:anywhere )?(?:in|by|from|within|on) {SOURCE}{end}"
        ),
        format!("{start}(?:nothing|nowhere) (?:\\w+ )?(?:in|from) {SOURCE}\\b"),
        format!("{start}not {SAID} (?:in|by) {SOURCE}{end}"),
    ];
    let drawn = [
        format!("{start}i ?(?:{cannot} {adverb}{ACTS}|{have})\\b"),
        format!("{start}i(?: am|'m) not (?:sure|certain|aware|familiar)\\b"),
        format!("{start}(?:unable to|cannot|can't) (?:find|answer|determine|provide|help|tell)\\b"),
        format!(
            "{start}(?:that|this|the) (?:information|detail|answer|figure|fact) {is_not} {adverb}{SAID}{end}"
        ),
        format!(
            "{start}there(?:'s| is| was| are) (?:no|not enough|insufficient) (?:\\w+ ){{0,2}}(?:information|mention|answer|indication|reference|details?)\\b"
        ),
        format!(
            "{start}no (?:\\w+ )?(?:information|mention|answer|details?|indication) (?:about|on|of|regarding|for|in|as to|(?:is|was|are) {SAID})\\b"
        ),
        format!(
            "{start}(?:it|that|this|the answer) (?:cannot|can't|can not|could not) be (?:determined|answered|found|inferred|known|established|confirmed|derived)\\b"
        ),
        format!(
            "{start}it(?:'s| is| was)(?: not|n't) (?:clear|known|stated|specified|mentioned|possible to (?:tell|say|determine|answer|know|find))\\b"
        ),
        format!("{start}it(?:'s| is) (?:unclear|unknown)\\b"),
        format!("{start}(?:not enough|insufficient) (?:information|context|data|detail)\\b"),
    ];
    let compiled =
        |patterns: &[String]| patterns.iter().map(|it| Regex::new(it).unwrap()).collect();
    Patterns { always: compiled(&always), drawn: compiled(&drawn) }
});

pub(super) fn refuses(answer: &str, question: &str, quote: &str, drawn: bool) -> bool {
    let question = question.to_lowercase();
    let quote = quote.to_lowercase();
    // Whether the text has something may be what is asked.
    let asks_of_text = ["mention", "state", "the text", "the passage", "the document say"];
    let negates = |text: &str| {
        [" not ", "n't ", "cannot ", " no ", "nothing"].iter().any(|word| text.contains(word))
    };
    if !answer.is_ascii() && !answer.contains(|c: char| c.is_ascii_alphabetic()) {
        return false;
    }
    let yes_or_no =
        ["does ", "is ", "do ", "are ", "did "].iter().any(|word| question.starts_with(word));
    if yes_or_no && asks_of_text.iter().any(|word| question.contains(word)) {
        return false;
    }
    sentences(answer).into_iter().filter(|(_, quoted)| !quoted).any(|(sentence, _)| {
        let sentence = sentence.trim().to_lowercase().replace('’', "'");
        // What the quote says in the same words is told, not declined.
        let told = negates(&quote) && shares_words(&sentence, &quote);
        let is_found = |patterns: &[Regex]| patterns.iter().any(|it| it.is_match(&sentence));
        !told && (is_found(&PATTERNS.always) || drawn && is_found(&PATTERNS.drawn))
    })
}

/// Whether most words of a sentence stand in a quote.
fn shares_words(sentence: &str, quote: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.len() > 3)
            .map(str::to_owned)
            .collect()
    };
    let (ours, theirs) = (words(sentence), words(quote));
    let shared = ours.iter().filter(|word| theirs.contains(word)).count();
    !ours.is_empty() && shared * 3 >= ours.len() * 2
}

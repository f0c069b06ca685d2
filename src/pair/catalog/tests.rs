use proptest::prelude::*;

use super::*;
use crate::pair::{Example, Message, Meta, Role};

fn example(question: &str, answer: &str) -> Example {
    Example {
        messages: vec![Message::text(Role::User, question), Message::text(Role::Assistant, answer)],
        meta: Meta {
            document: Some("KDS 41 17 00.pdf".to_owned()),
            page: Some(23),
            author: Some("gpt".to_owned()),
            tags: vec!["하중".to_owned(), "표 1".to_owned()],
            score: Some(4),
            ..Meta::default()
        },
        ..Example::default()
    }
}

fn digest(key: i64, state: ReviewState, example: &Example) -> Digest {
    Digest::new(key, Some(7), state, example)
}

fn keys(catalog: &Catalog, query: &str) -> Vec<i64> {
    let query = Query::parse(query);
    assert!(query.faults.is_empty(), "{query:?}");
    let listing = Listing::of(catalog, &query);
    listing.places.iter().map(|&place| catalog.at(place).unwrap().key()).collect()
}

#[test]
fn rows_come_back_as_they_were_put() {
    let mut catalog = Catalog::default();
    assert!(!catalog.put(&digest(3, ReviewState::Draft, &example("창고의 활하중은?", "25 %"))));
    let entry = catalog.get(3).unwrap();
    assert_eq!((entry.key(), entry.passage(), entry.page()), (3, Some(7), Some(23)));
    assert_eq!((entry.question(), entry.text()), ("창고의 활하중은?", "창고의 활하중은?\n25 %"));
    assert_eq!((entry.document(), entry.author()), ("KDS 41 17 00.pdf", "gpt"));
    assert_eq!(entry.tags().collect::<Vec<_>>(), ["하중", "표 1"]);
    assert_eq!((entry.score(), entry.judged().loss, entry.kind()), (Some(4), None, Kind::Single));
    catalog.set_judged(3, Judged { loss: Some(1.5), ..Judged::default() });
    assert_eq!(catalog.get(3).unwrap().judged().loss, Some(1.5));
    assert!(catalog.get(2).is_none() && catalog.get(4).is_none());
}

#[test]
fn filters_of_every_field() {
    let mut catalog = Catalog::default();
    let mut long = example("내진설계의 Scope는?", &"내진 ".repeat(40));
    long.meta = Meta { page: Some(5), ..Meta::default() };
    catalog.put(&digest(1, ReviewState::Draft, &example("창고의 활하중은?", "0.5 kN/m²")));
    catalog.put(&digest(2, ReviewState::Accepted, &long));
    catalog.put(&Digest::new(3, None, ReviewState::Rejected, &example("which load?", "none")));
    let found = |kind| [kind].into_iter().collect();
    let known = Some(Knowledge::Partly);
    let number = found(crate::pair::checks::Kind::NumberNotInQuote);
    catalog.set_judged(2, Judged { loss: Some(0.5), known, found: number });
    let leak = found(crate::pair::checks::Kind::Leak);
    catalog.set_judged(3, Judged { loss: Some(2.0), known: None, found: leak });
    for (query, expected) in [
        ("", &[1, 2, 3][..]),
        ("state:draft", &[1]),
        ("-state:draft", &[2, 3]),
        ("상태:거절", &[3]),
        ("ㄴㅈㅅㄱ", &[2]),
        ("scope 내진", &[2]),
        ("내진 -scope", &[]),
        (r"/\d kN/", &[1]),
        ("tag:하중", &[1, 3]),
        ("태그:없음", &[2]),
        ("doc:\"41 17\"", &[1, 3]),
        ("author:gp", &[1, 3]),
        ("page:1-10", &[2]),
        ("score:>=4", &[1, 3]),
        ("score:none", &[2]),
        ("len:>20", &[2]),
        ("loss:<1", &[2]),
        ("loss:none", &[1]),
        ("known:partly", &[2]),
        ("앎:없음", &[1, 3]),
        ("check:any", &[2, 3]),
        ("점검:수치", &[2]),
        ("-check:leak", &[1, 2]),
        ("lang:en", &[3]),
        ("id:2-", &[2, 3]),
        ("kind:single", &[1, 2, 3]),
        ("sort:-added", &[3, 2, 1]),
        ("sort:-loss", &[3, 2, 1]),
        ("sort:loss", &[2, 3, 1]),
        ("sort:-len", &[2, 1, 3]),
        ("sort:score", &[1, 3, 2]),
        ("sort:page", &[2, 1, 3]),
    ] {
        assert_eq!(keys(&catalog, query), expected, "{query}");
    }
    let about = Query::default().with_passage(7);
    assert_eq!(Listing::of(&catalog, &about).places.len(), 2);
}

#[test]
fn a_match_does_not_reach_from_one_row_into_the_next() {
    let mut catalog = Catalog::default();
    for (key, question) in [(1, "가나"), (2, "다라"), (3, "나다")] {
        let example =
            Example { messages: vec![Message::text(Role::User, question)], ..Example::default() };
        let mut digest = digest(key, ReviewState::Draft, &example);
        digest.text = question.to_owned();
        catalog.put(&digest);
    }
    assert_eq!(keys(&catalog, "나다"), [3]);
    assert_eq!(keys(&catalog, "ㄴㄷ"), [3]);
}

#[test]
fn removed_rows_come_back_in_their_place() {
    let mut catalog = Catalog::default();
    for key in 1..=5 {
        catalog.put(&digest(key, ReviewState::Draft, &example("q", "a")));
    }
    let place = catalog.find(3).unwrap();
    catalog.remove(3);
    catalog.remove(3);
    assert_eq!((catalog.len(), keys(&catalog, "")), (4, vec![1, 2, 4, 5]));
    assert!(!catalog.put(&digest(3, ReviewState::Draft, &example("q", "a"))));
    assert_eq!((catalog.find(3), catalog.len()), (Some(place), 5));
    // The last one too.
    catalog.remove(5);
    assert!(!catalog.put(&digest(5, ReviewState::Draft, &example("q", "a"))));
    assert_eq!(keys(&catalog, ""), [1, 2, 3, 4, 5]);
}

#[test]
fn a_row_removed_before_the_catalog_was_read_moves_others() {
    let mut catalog = Catalog::default();
    for key in [1, 2, 4] {
        catalog.put(&digest(key, ReviewState::Draft, &example("q", "a")));
    }
    assert!(catalog.put(&digest(3, ReviewState::Draft, &example("q3", "a"))));
    assert_eq!(keys(&catalog, ""), [1, 2, 3, 4]);
    assert_eq!(keys(&catalog, "q3"), [3]);
}

/// What a catalog is compared with: all rows as they are.
type Model = std::collections::BTreeMap<i64, (ReviewState, String)>;

#[derive(Debug, Clone)]
enum Step {
    Add(String),
    Edit(usize, String),
    Judge(usize, bool),
    Remove(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let text = "[가나다ab ]{0,6}";
    let step = prop_oneof![
        text.prop_map(Step::Add),
        (any::<usize>(), text).prop_map(|(row, text)| Step::Edit(row, text)),
        (any::<usize>(), any::<bool>()).prop_map(|(row, good)| Step::Judge(row, good)),
        any::<usize>().prop_map(Step::Remove),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn lists_that_follow_changes_equal_lists_made_anew(
        steps in steps(),
        query in prop::sample::select(vec!["", "state:draft", "나", "ㄱ b", "-나 sort:-len", "/가.*a/"]),
    ) {
        let query = Query::parse(query);
        let mut catalog = Catalog::default();
        let mut model = Model::new();
        let mut listing = Listing::default();
        let mut next = 1;
        for step in steps {
            let pick = |row: usize| model.keys().nth(row % model.len().max(1)).copied();
            let (key, value) = match step {
                Step::Add(text) => {
                    next += 1;
                    (next - 1, Some((ReviewState::Draft, text)))
                }
                Step::Edit(row, text) => match pick(row) {
                    Some(key) => (key, Some((model[&key].0, text))),
                    None => continue,
                },
                Step::Judge(row, good) => match pick(row) {
                    Some(key) => {
                        let state =
                            if good { ReviewState::Accepted } else { ReviewState::Rejected };
                        (key, Some((state, model[&key].1.clone())))
                    }
                    None => continue,
                },
                Step::Remove(row) => match pick(row) {
                    Some(key) => (key, None),
                    None => continue,
                },
            };
            let before = catalog.find(key);
            if let Some((state, text)) = value {
                catalog.put(&digest(key, state, &example(&text, "a")));
                model.insert(key, (state, text));
            } else {
                catalog.remove(key);
                model.remove(&key);
            }
            listing.update(catalog.find(key).or(before).unwrap(), &catalog, &query);
        }
        let fresh = Listing::of(&catalog, &query);
        let mut followed = listing.places.clone();
        // Rows that stay keep their position; brought in order, the lists are the same.
        followed.sort();
        let mut wanted = fresh.places.clone();
        wanted.sort();
        prop_assert_eq!(&followed, &wanted);
        let state = |key: i64| catalog.get(key).map(|entry| (entry.state(), entry.question()));
        for (key, (kept, text)) in &model {
            prop_assert_eq!(state(*key), Some((*kept, text.as_str())));
        }
        prop_assert_eq!(catalog.len(), model.len());
        let whole = Catalog { chunks: catalog.chunks.clone(), rows: catalog.rows };
        let by_row: Vec<_> =
            whole.iter().filter(|(_, entry)| matches(*entry, &query)).map(|(place, _)| place).collect();
        prop_assert_eq!(wanted, by_row);
    }
}

use std::fs;
use std::path::Path;

use super::*;
use crate::evaluate::import::Form;

const GSM8K: &str = "{\"question\":\"48 and 24?\",\"answer\":\"#### 72\"}\nnot json\n{\"question\":\"2 and 3?\",\"answer\":\"#### 5\"}\n";

fn asked(path: &Path, name: &str) -> SuiteImport {
    SuiteImport { path: path.to_owned(), name: Some(name.to_owned()), ..SuiteImport::default() }
}

#[test]
fn a_file_becomes_a_suite_and_bad_lines_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Test set.jsonl");
    fs::write(&file, GSM8K).unwrap();
    let project = folder.path().join("p");
    let imported = import(&project, &SuiteImport { path: file, ..SuiteImport::default() }).unwrap();
    assert_eq!((imported.form, imported.suite.name.as_str()), (Form::Gsm8k, "test-set"));
    assert_eq!((imported.suite.cases.len(), imported.total()), (2, 3));
    assert_eq!(imported.files[0].problems[0].0, 2);
    let stored = stored(&project).unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!((&stored[0].suite, stored[0].problems.len()), (&imported.suite, 0));
    assert_eq!(stored[0].folder, project.join("eval/test-set"));
    // Nothing temporary is left.
    assert_eq!(fs::read_dir(project.join("eval")).unwrap().count(), 1);
}

#[test]
fn a_suite_is_replaced_only_on_request_and_stays_where_nothing_comes_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (project, file) = (folder.path().join("p"), folder.path().join("a.jsonl"));
    fs::write(&file, GSM8K).unwrap();
    import(&project, &asked(&file, "mine")).unwrap();
    let again = import(&project, &asked(&file, "mine")).unwrap_err();
    assert!(again.message.contains("there is a suite"), "{again}");
    assert!(again.hints[0].contains("--replace"), "{:?}", again.hints);

    fs::write(&file, "{\"question\":\"q\",\"answer\":\"#### x\"}\n").unwrap();
    let replace = SuiteImport { replace: true, ..asked(&file, "mine") };
    let nothing = import(&project, &replace).unwrap_err();
    assert!(nothing.message.contains("a.jsonl:1: `#### x` is no number"), "{nothing}");
    assert_eq!(stored(&project).unwrap()[0].suite.cases.len(), 2);

    fs::write(&file, "{\"question\":\"q\",\"answer\":\"#### 9\"}\n").unwrap();
    import(&project, &replace).unwrap();
    assert_eq!(stored(&project).unwrap()[0].suite.cases.len(), 1);
    assert_eq!(fs::read_dir(project.join("eval")).unwrap().count(), 1);

    for name in ["tools", "forgetting", "domain", "a/b", "..", ""] {
        assert!(import(&project, &asked(&file, name)).is_err(), "{name}");
    }
    // What a crash leaves is no suite.
    fs::create_dir(project.join("eval/.new-x")).unwrap();
    fs::write(project.join("eval/.new-x/suite.toml"), "nonsense").unwrap();
    assert_eq!(stored(&project).unwrap().len(), 1);
}

#[test]
fn a_folder_is_one_suite_of_one_form() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir_all(data.join("possible_answer")).unwrap();
    let question = |id: &str| {
        format!(
            "{{\"id\":\"{id}\",\"question\":[[{{\"role\":\"user\",\"content\":\"q\"}}]],\"function\":[{{\"name\":\"f\",\"description\":\"\",\"parameters\":{{\"type\":\"dict\",\"properties\":{{\"x\":{{\"type\":\"integer\"}}}}}}}}]}}\n"
        )
    };
    fs::write(data.join("BFCL_v4_multiple.json"), question("multiple_0")).unwrap();
    let answer = "{\"id\":\"multiple_0\",\"ground_truth\":[{\"f\":{\"x\":[1]}}]}\n";
    fs::write(data.join("possible_answer/BFCL_v4_multiple.json"), answer).unwrap();
    fs::write(data.join("BFCL_v4_irrelevance.json"), question("irrelevance_0")).unwrap();
    fs::write(data.join("BFCL_v4_simple_java.json"), question("simple_java_0")).unwrap();
    let several = question("multi_turn_base_0");
    fs::write(data.join("BFCL_v4_multi_turn_base.json"), several).unwrap();
    fs::write(data.join("README.md"), "about").unwrap();
    let what = SuiteImport { path: data.clone(), ..SuiteImport::default() };
    let project = folder.path().join("p");
    let imported = import(&project, &what).unwrap();
    assert_eq!((imported.suite.name.as_str(), imported.suite.cases.len()), ("bfcl", 2));
    // The question in Java lacks its answer.
    assert_eq!(imported.total(), 3);
    assert_eq!(imported.suite.subsets, ["irrelevance", "multiple"]);
    let problems: Vec<&str> = (imported.files.iter())
        .flat_map(|file| file.problems.iter().map(|(_, why)| why.as_str()))
        .collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("BFCL_v4_simple_java.json has none for `simple_java_0`"));
    assert!(imported.files.iter().any(|file| !file.left_out.is_empty()));

    fs::write(data.join("train.jsonl"), GSM8K).unwrap();
    let mixed = import(&project, &SuiteImport { name: Some("x".into()), ..what }).unwrap_err();
    assert!(mixed.message.contains("train.jsonl is gsm8k"), "{mixed}");
    let java = asked(&data.join("BFCL_v4_simple_java.json"), "java");
    let refused = import(&project, &java).unwrap_err();
    assert!(refused.message.contains("possible_answer"), "{refused}");
    let unknown = asked(&data.join("possible_answer/BFCL_v4_multiple.json"), "y");
    let answers = import(&project, &unknown).unwrap_err();
    assert!(answers.message.contains("an answer without its question"), "{answers}");
    let readme = import(&project, &asked(&data.join("README.md"), "z")).unwrap_err();
    assert!(readme.message.contains("README.md"), "{readme}");
}

#[test]
fn tables_with_and_without_a_header() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("p");
    let file = folder.path().join("law_test.csv");
    fs::write(&file, "\"Which, then?\",one,two,three,four,C\nAnd?,1,2,3,4,A\n").unwrap();
    let imported = import(&project, &asked(&file, "law")).unwrap();
    assert_eq!((imported.suite.cases.len(), imported.total()), (2, 2));
    assert_eq!(imported.suite.cases[0].expected(), "three");
    assert_eq!(imported.suite.cases[0].id, "law_test/1");
    let file = folder.path().join("k.csv");
    fs::write(&file, "question,A,B,C,D,answer\n수도는?,서울,부산,대구,광주,1\n제2의 도시는?,서울,부산,대구,광주,4\n").unwrap();
    let imported = import(&project, &asked(&file, "cities")).unwrap();
    assert_eq!(imported.suite.cases[0].expected(), "서울");
    assert_eq!(imported.suite.languages, [crate::pair::Language::Korean]);
}

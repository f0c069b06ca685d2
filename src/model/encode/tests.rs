use serde_json::json;

use super::*;
use crate::model::{GgufFile, toy};
use crate::pair::{FunctionDefinition, ToolCall};

fn toy_codec(template: &str) -> Codec {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::from_file(&toy::tokenizer_file(folder.path())).unwrap();
    Codec::new(tokenizer, ChatTemplate::new(template, None, "", "<|im_end|>").unwrap())
}

fn tool() -> Tool {
    Tool {
        kind: "function".to_owned(),
        function: FunctionDefinition {
            name: "live_load".to_owned(),
            description: "용도별 활하중을 찾는다.".to_owned(),
            parameters: json!({"type": "object", "properties": {"use": {"type": "string"}}}),
        },
    }
}

fn conversation() -> Example {
    let arguments = json!({"use": "사무실"}).as_object().unwrap().clone();
    Example {
        messages: vec![
            Message::text(Role::System, "짧게 답한다."),
            Message::text(Role::User, "사무실의 활하중은?"),
            Message::calls(vec![ToolCall::new("call_1", "live_load", arguments)]),
            Message::text(Role::Tool, "2.5 kN/m²"),
            Message::text(Role::Assistant, "2.5 kN/m²입니다."),
            Message::text(Role::User, "Thanks!"),
            Message::text(Role::Assistant, "You're welcome."),
        ],
        tools: vec![tool()],
        ..Example::default()
    }
}

/// The trained stretches as text.
fn trained(codec: &Codec, encoded: &Encoded) -> Vec<String> {
    let mut stretches: Vec<Vec<u32>> = Vec::new();
    let mut inside = false;
    for (id, label) in encoded.ids.iter().zip(&encoded.labels) {
        if *label && !inside {
            stretches.push(Vec::new());
        }
        if let Some(stretch) = stretches.last_mut().filter(|_| *label) {
            stretch.push(*id);
        }
        inside = *label;
    }
    stretches.iter().map(|ids| codec.tokenizer().decode_all(ids)).collect()
}

fn check(codec: &Codec) {
    let example = conversation();
    let encoded = codec.encode(&example).unwrap();
    assert_eq!(encoded.ids.len(), encoded.labels.len());
    assert_eq!(codec.tokenizer().decode_all(&encoded.ids), encoded.text);
    assert_eq!(
        trained(codec, &encoded),
        [
            "<tool_call>\n{\"name\": \"live_load\", \"arguments\": {\"use\": \"사무실\"}}\n</tool_call><|im_end|>",
            "2.5 kN/m²입니다.<|im_end|>",
            "You're welcome.<|im_end|>",
        ]
    );
    // What precedes a trained turn is what generation is given.
    for (position, message) in example.messages.iter().enumerate() {
        if message.role == Role::Assistant {
            let prompt =
                codec.encode_prompt(&example.messages[..position], &example.tools).unwrap();
            assert_eq!(encoded.ids[..prompt.len()], prompt);
            assert!(encoded.labels[prompt.len()] && !encoded.labels[prompt.len() - 1]);
        }
    }
    assert_eq!(codec.count(&example).unwrap(), encoded.ids.len());
    assert_eq!(encoded.trained(), encoded.labels.iter().filter(|label| **label).count());
    let end = codec.tokenizer().id_of("<|im_end|>").unwrap();
    assert!(codec.stop_ids().contains(&end));
}

#[test]
fn what_the_assistant_says_is_trained_and_nothing_else() {
    let codec = toy_codec(toy::PLAIN_TEMPLATE);
    assert!(!codec.template().has_native_tools());
    check(&codec);
}

#[test]
fn smollm2_encodes_with_few_tokens_around_the_tools() {
    if let Some(path) = toy::installed_smollm2() {
        let file = GgufFile::open(&path).unwrap();
        let template = ChatTemplate::from_gguf(&file).unwrap();
        let codec = Codec::new(Tokenizer::from_gguf(&file).unwrap(), template);
        check(&codec);
        let bare = Message::text(Role::User, "x");
        let tools = [tool()];
        let with = codec.encode_prompt(std::slice::from_ref(&bare), &tools).unwrap().len();
        let system = [Message::text(Role::System, ""), bare];
        let without = codec.encode_prompt(&system, &[]).unwrap().len();
        let line = codec.template().render(&system[1..], &tools, false).unwrap();
        let line = line.lines().find(|line| line.starts_with('{')).unwrap().to_owned();
        let around = with - without - codec.tokenizer().encode(&line).len();
        assert!(around < 60, "{around} tokens around the tools");
    }
}

#[test]
fn a_template_that_rewrites_earlier_turns_trains_each_as_the_last() {
    // Writes only the last assistant turn in full.
    let template = "{% for m in messages %}<|im_start|>{{ m.role }}\n\
        {% if m.role != 'assistant' or loop.last %}{{ m.content }}{% endif %}<|im_end|>\n\
        {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
    let codec = toy_codec(template);
    let example = Example { tools: Vec::new(), ..conversation() };
    let whole = codec.encode(&example).unwrap();
    assert_eq!(trained(&codec, &whole), ["You're welcome.<|im_end|>"]);
    let parts = codec.parts(&example);
    assert_eq!(parts.iter().map(|part| part.messages.len()).collect::<Vec<_>>(), [3, 5, 7]);
    let second = codec.encode(&parts[1]).unwrap();
    assert_eq!(trained(&codec, &second), ["2.5 kN/m²입니다.<|im_end|>"]);
    // Others are kept whole.
    let plain = toy_codec(toy::PLAIN_TEMPLATE);
    assert_eq!(plain.parts(&example), std::slice::from_ref(&example));
}

#[test]
fn a_template_that_writes_an_answer_otherwise_than_it_opens_it_is_refused() {
    let codec = toy_codec(
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
         {% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}",
    );
    let failure = codec.encode(&conversation()).unwrap_err();
    assert!(failure.message.contains("writes earlier turns differently"), "{failure}");
    assert!(!failure.hints.is_empty());
}

/// Qwen3's template leaves out the thoughts of earlier turns and opens an answer without thinking
/// behind an empty thought.
#[test]
fn qwen3_trains_what_follows_an_empty_thought() {
    let codec = toy_codec(include_str!("../../../tests/fixtures/chat_templates/qwen3.jinja"));
    assert!(codec.template().has_native_tools());
    let example = conversation();
    let parts = codec.parts(&example);
    let said = [
        "<tool_call>\n{\"name\": \"live_load\", \"arguments\": {\"use\": \"사무실\"}}\n</tool_call><|im_end|>",
        "2.5 kN/m²입니다.<|im_end|>",
        "You're welcome.<|im_end|>",
    ];
    assert_eq!(parts.len(), said.len());
    for (part, said) in parts.iter().zip(said) {
        let encoded = codec.encode(part).unwrap();
        assert_eq!(trained(&codec, &encoded), [said]);
        let before = part.messages.split_last().unwrap().1;
        let prompt = codec.encode_prompt(before, &part.tools).unwrap();
        assert_eq!(encoded.ids[..prompt.len()], prompt);
        assert!(encoded.text.contains("<think>\n\n</think>\n\n"));
    }
    let whole = codec.encode(&example).unwrap();
    assert_eq!(whole.text.matches("<think>").count(), 1, "{}", whole.text);
}

#[test]
fn gemma3_trains_its_turns_and_their_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = toy::tokenizer_file(folder.path());
    let text = std::fs::read_to_string(&path).unwrap();
    let text =
        text.replace("<|im_start|>", "<start_of_turn>").replace("<|im_end|>", "<end_of_turn>");
    std::fs::write(&path, text.replace("<|endoftext|>", "<bos>")).unwrap();
    let tokenizer = Tokenizer::from_file(&path).unwrap();
    let source = include_str!("../../../tests/fixtures/chat_templates/gemma3.jinja");
    let codec = Codec::new(tokenizer, ChatTemplate::new(source, None, "<bos>", "<eos>").unwrap());
    assert!(!codec.template().has_native_tools());
    let encoded = codec.encode(&conversation()).unwrap();
    assert!(encoded.text.starts_with("<bos><start_of_turn>user\n짧게 답한다.\n\nTools:"));
    assert!(encoded.text.contains("<start_of_turn>user\n<tool_response>\n2.5 kN/m²\n"));
    assert_eq!(
        trained(&codec, &encoded),
        [
            "<tool_call>\n{\"name\": \"live_load\", \"arguments\": {\"use\": \"사무실\"}}\n</tool_call><end_of_turn>",
            "2.5 kN/m²입니다.<end_of_turn>",
            "You're welcome.<end_of_turn>",
        ]
    );
    let end = codec.tokenizer().id_of("<end_of_turn>").unwrap();
    assert!(codec.stop_ids().contains(&end));
}

/// The toy's control tokens under other spellings.
fn codec_with(control: [&str; 3], template: &str) -> Codec {
    let folder = tempfile::tempdir().unwrap();
    let path = toy::tokenizer_file(folder.path());
    let text = std::fs::read_to_string(&path).unwrap();
    let text = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
        .iter()
        .zip(control)
        .fold(text, |text, (old, new)| text.replace(old, new));
    std::fs::write(&path, text).unwrap();
    let tokenizer = Tokenizer::from_file(&path).unwrap();
    Codec::new(tokenizer, ChatTemplate::new(template, None, "<s>", "</s>").unwrap())
}

/// Checks what is trained of each part, that it follows what generation is given, and that what
/// decoding gives of it is read as the call.
fn check_own_form(codec: &Codec, example: &Example, parts: usize, said: [&str; 3]) {
    let found = codec.parts(example);
    assert_eq!(found.len(), parts);
    let mut all = Vec::new();
    for part in &found {
        let encoded = codec.encode(part).unwrap();
        assert_eq!(codec.tokenizer().decode_all(&encoded.ids), encoded.text);
        all.extend(trained(codec, &encoded));
        let last = part.messages.iter().rposition(|m| m.role == Role::Assistant).unwrap();
        let prompt = codec.encode_prompt(&part.messages[..last], &part.tools).unwrap();
        assert_eq!(encoded.ids[..prompt.len()], prompt);
        assert!(encoded.labels[prompt.len()] && !encoded.labels[prompt.len() - 1]);
    }
    assert_eq!(all, said);
    let mut generated = codec.tokenizer().encode(said[0]);
    assert!(codec.stop_ids().contains(&generated.pop().unwrap()));
    let reply = codec.tokenizer().decode(&generated);
    let mut stream = codec.tokenizer().stream();
    let mut streamed: String = generated.iter().map(|id| stream.push(*id)).collect();
    streamed += &stream.finish();
    assert_eq!(streamed, reply);
    let crate::model::ToolFormat::Own(form) = codec.template().tool_format() else { panic!() };
    let called: Vec<_> = example.calls().map(|call| call.function.clone()).collect();
    assert_eq!(form.read(&reply), Some(called), "{reply}");
}

#[test]
fn llama3_trains_calls_in_its_own_form() {
    let codec = codec_with(
        ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        include_str!("../../../tests/fixtures/chat_templates/llama3.2.jinja"),
    );
    let said = [
        "{\"name\": \"live_load\", \"parameters\": {\"use\": \"사무실\"}}<|eot_id|>",
        "2.5 kN/m²입니다.<|eot_id|>",
        "You're welcome.<|eot_id|>",
    ];
    check_own_form(&codec, &conversation(), 1, said);
    let text = codec.encode(&conversation()).unwrap().text;
    assert!(text.contains("Given the following functions, please respond"), "{text}");
}

/// Mistral's templates write tools and the system turn beside the last question only, so that each
/// turn is the last of a row of its own, behind just what generation is given.
#[test]
fn mistral_trains_calls_in_its_own_forms() {
    let answers = ["2.5 kN/m²입니다.</s>", "You're welcome.</s>"];
    let codec = codec_with(
        ["[TOOL_CALLS]", "[INST]", "</s>"],
        include_str!("../../../tests/fixtures/chat_templates/mistral-v3.jinja"),
    );
    let list = "[TOOL_CALLS] [{\"name\": \"live_load\", \"arguments\": {\"use\": \"사무실\"}, \"id\": \"call00001\"}]</s>";
    let spaced = answers.map(|answer| format!(" {answer}"));
    check_own_form(&codec, &conversation(), 3, [list, &spaced[0], &spaced[1]]);
    let parts = codec.parts(&conversation());
    let text = codec.encode(&parts[0]).unwrap().text;
    assert!(text.contains("[INST] 짧게 답한다.\n\n사무실의 활하중은?[/INST]"), "{text}");
    let text = codec.encode(&parts[2]).unwrap().text;
    assert!(text.contains("[AVAILABLE_TOOLS] ") && text.contains("[INST] 짧게 답한다.\n\nThanks!"));

    let small = include_str!("../../../tests/fixtures/chat_templates/mistral-small-3.2.jinja");
    let codec = codec_with(["[TOOL_CALLS]", "[ARGS]", "</s>"], small);
    let named = "[TOOL_CALLS]live_load[CALL_ID]call00001[ARGS]{\"use\": \"사무실\"}</s>";
    check_own_form(&codec, &conversation(), 3, [named, answers[0], answers[1]]);

    let ministral = include_str!("../../../tests/fixtures/chat_templates/ministral3.jinja");
    let codec = codec_with(["[TOOL_CALLS]", "[ARGS]", "</s>"], ministral);
    let named = "[TOOL_CALLS]live_load[ARGS]{\"use\": \"사무실\"}</s>";
    check_own_form(&codec, &conversation(), 1, [named, answers[0], answers[1]]);
}

#[test]
fn a_template_without_an_end_of_turn_trains_the_whole_turn() {
    let codec = toy_codec(
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}\
         {% if add_generation_prompt %}assistant: {% endif %}",
    );
    let messages = vec![Message::text(Role::User, "hi"), Message::text(Role::Assistant, "값")];
    let encoded = codec.encode(&Example { messages, ..Example::default() }).unwrap();
    assert_eq!(trained(&codec, &encoded), ["값\n"]);
}

#[test]
fn an_empty_conversation_has_no_trained_tokens() {
    let codec = toy_codec(toy::PLAIN_TEMPLATE);
    let encoded = codec.encode(&Example::default()).unwrap();
    assert_eq!((encoded.ids.len(), encoded.trained(), encoded.prompt_length()), (0, 0, 0));
}

#[test]
fn marks_that_a_model_cannot_say_are_said_in_pieces_and_read_the_same() {
    let control = ["<tool_call>", "<|im_start|>", "<|im_end|>"];
    let mut codec = codec_with(control, toy::PLAIN_TEMPLATE);
    let plain = codec.clone();
    let id = codec.tokenizer().id_of("<tool_call>").unwrap();
    assert_eq!(codec.say_in_pieces(|_| false), Vec::<String>::new());
    assert_eq!(codec.encode(&conversation()).unwrap(), plain.encode(&conversation()).unwrap());
    assert_eq!(codec.say_in_pieces(|token| token == id), ["<tool_call>"]);
    // Also what follows an earlier call, so that prompts are what was trained.
    check(&codec);
    let encoded = codec.encode(&conversation()).unwrap();
    let said = |encoded: &Encoded| {
        let labelled = encoded.ids.iter().zip(&encoded.labels).filter(|(_, label)| **label);
        labelled.filter(|(found, _)| **found == id).count()
    };
    assert_eq!((said(&encoded), said(&plain.encode(&conversation()).unwrap())), (0, 1));
    // The prompt's own text has the token.
    let asked = Message::text(Role::User, "<tool_call>");
    assert!(codec.encode_prompt(&[asked], &[]).unwrap().contains(&id));
}

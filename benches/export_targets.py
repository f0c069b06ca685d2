"""Checks exported pairs by loading them with the libraries they are meant for.

    python benches/export_targets.py --hone target/release/hone

Makes a project with rows of all kinds (no tool, tools offered, one call, parallel calls, results, several
turns, a system text, Korean), exports it in every format, loads each export with the real library, has
that library render the rows in Qwen2.5's chat template, and compares with what hone renders (`hone tokens
--rows`). Equal text passes. The tokenizer is one of bytes, made here, so that text goes through unchanged.

Needs datasets, transformers, trl, llamafactory and axolotl (torch with them); a library that is missing
is told and skipped. llamafactory imports torchaudio, which text does not need; it is replaced by an empty
module where it is not installed. Exit status 1 when a comparison fails.
"""

import argparse
import importlib.machinery
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import types
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DISABLE_VERSION_CHECK", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "tests/fixtures/chat_templates/qwen2.5.jinja"


def tool(name, **properties):
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": f"{name}: 값을 찾는다 <h & b>",
            "parameters": {"type": "object", "properties": properties},
        },
    }


SNOW = tool("snow_load", region={"type": "string"}, slope={"type": "number"})
LIVE = tool("live_load", use={"type": "string", "enum": ["사무실", "병실"]}, floors={"type": "array", "items": {"type": "integer"}})


def say(role, content, **more):
    return {"role": role, "content": content, **more}


def call(number, name, **arguments):
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def result(number, name, content):
    return say("tool", content, tool_call_id=f"call_{number}", name=name)


ROWS = [
    [[say("user", "옥외 기둥의 최소 피복두께는?"), say("assistant", "50 mm입니다. 조건: h<3 & 폭>2, \"현장\"")], []],
    [[say("system", "Answer briefly."), say("user", "What is NF4?"), say("assistant", "A 4-bit type.\nTwo lines.")], []],
    [[say("user", "안녕?"), say("assistant", "안녕하세요."), say("user", "이름은?"), say("assistant", "저는 도우미입니다.")], []],
    [[say("user", "오늘 점심은?"), say("assistant", "이 도구로는 알 수 없습니다.")], [SNOW, LIVE]],
    [[say("user", "울릉도 적설하중은?"),
      say("assistant", "", tool_calls=[call(1, "snow_load", region="울릉도", slope=12.5)]),
      result(1, "snow_load", "10"), say("assistant", "10 kN/m²입니다.")], [SNOW]],
    [[say("system", "너는 구조 기술자다."), say("user", "사무실과 병실의 활하중은?"),
      say("assistant", "", tool_calls=[call(1, "live_load", use="사무실", floors=[1, 2]), call(2, "live_load", use="병실")]),
      result(1, "live_load", "{\"kN\": 2.5}"), result(2, "live_load", "2.0"),
      say("assistant", "2.5와 2.0입니다."), say("user", "합은?"),
      say("assistant", "", tool_calls=[call(3, "snow_load", region="서울", slope=0)]),
      result(3, "snow_load", "0.5"), say("assistant", "5.0입니다.")], [LIVE, SNOW]],
    [[say("user", "서울은?"),
      say("assistant", "찾아보겠습니다.", tool_calls=[call(1, "snow_load", region="서울")]),
      result(1, "snow_load", "0.5"), say("assistant", "0.5입니다.")], [SNOW]],
]


def canonical(rows):
    for messages, tools in rows:
        yield {"messages": messages, **({"tools": tools} if tools else {})}


def write_rows(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


class Bench:
    def __init__(self, hone, work):
        self.hone, self.work, self.failed = hone, Path(work), False
        write_rows(self.work / "rows.jsonl", canonical(ROWS))
        self.run("new", self.work / "p")
        self.run("-p", self.work / "p", "pairs", "import", self.work / "rows.jsonl", "--accept")
        self.expected = self.rendered(canonical(ROWS))

    def run(self, *arguments):
        done = subprocess.run([self.hone, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"hone {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")
        return done.stdout

    def rendered(self, rows):
        path = self.work / "render.jsonl"
        write_rows(path, rows)
        text = self.run("tokens", "--rows", path, "--template", TEMPLATE, "--json")
        return [json.loads(line) for line in text.splitlines()]

    def export(self, form):
        folder = self.work / form
        told = self.run("-p", self.work / "p", "pairs", "export", f"{folder}/", "--format", form, "--license", "mit", "--json")
        return folder, json.loads(told)

    def report(self, form, library, texts, expected):
        equal = sum(found == wanted for found, wanted in zip(texts, expected))
        passed = len(texts) == len(expected) == equal
        self.failed |= not passed
        print(f"{'pass' if passed else 'FAIL'}  {form:<21} {library:<34} {equal} of {len(expected)} rows equal")
        for found, wanted in zip(texts, expected):
            if found != wanted:
                print(f"--- hone\n{wanted!r}\n--- {library}\n{found!r}")
                break

    def without(self, left_out):
        keys = {row["pair"] - 1 for row in left_out}
        return [row for at, row in enumerate(ROWS) if at not in keys]


def byte_tokenizer():
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: at for at, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    marks = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in marks])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>",
        chat_template=TEMPLATE.read_text(encoding="utf-8"), clean_up_tokenization_spaces=False,
    )


def decode(tokenizer, ids):
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def version(name):
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{name}, not installed"


def render(tokenizer, row):
    return tokenizer.apply_chat_template(row["messages"], tools=row.get("tools") or None, tokenize=False)


def load(kind, path, cache):
    from datasets import load_dataset

    return load_dataset(kind, data_files=str(path), split="train", cache_dir=str(cache))


def trained_by_trl(tokenizer, rows, work):
    from transformers import Qwen2Config, Qwen2ForCausalLM
    from trl import SFTConfig, SFTTrainer

    model = Qwen2ForCausalLM(Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True))
    config = SFTConfig(output_dir=str(work / "sft"), max_length=None, report_to=[], use_cpu=True, bf16=False)
    trainer = SFTTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer)
    return [decode(tokenizer, row["input_ids"]) for row in trainer.train_dataset]


def read_by_llama_factory(tokenizer, folder, work):
    try:
        import torchaudio  # noqa: F401
    except ImportError:
        empty = types.ModuleType("torchaudio")
        empty.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
        sys.modules["torchaudio"] = empty
    from llamafactory.data.loader import _load_single_dataset
    from llamafactory.data.parser import get_dataset_list
    from llamafactory.data.template import get_template_and_fix_tokenizer
    from llamafactory.hparams import DataArguments, ModelArguments
    from transformers import TrainingArguments

    data = DataArguments(template="qwen", dataset="pairs", dataset_dir=str(folder), overwrite_cache=True)
    models = ModelArguments(model_name_or_path="none", cache_dir=str(work / "cache"))
    training = TrainingArguments(output_dir=str(work / "lf"), use_cpu=True, report_to=[])
    [attribute] = get_dataset_list(["pairs"], str(folder))
    rows = _load_single_dataset(attribute, models, data, training)
    template = get_template_and_fix_tokenizer(tokenizer, data)
    texts = []
    for row in rows:
        pairs = template.encode_multiturn(tokenizer, row["_prompt"] + row["_response"], row["_system"], row["_tools"])
        texts.append(decode(tokenizer, [token for pair in pairs for part in pair for token in part]))
    return texts


def with_thinking_off(rows):
    """LLaMA-Factory's `openai` converter changes the system text; the same change, made beforehand."""
    for messages, tools in rows:
        has_system = messages[0]["role"] == "system"
        system, rest = (messages[0]["content"], messages[1:]) if has_system else ("", messages)
        off = "detailed thinking off"
        if not tools:
            system = f"{system}\n{off}" if system else off
        elif system:
            system += "\n"
        yield [([say("system", system)] if system else []) + rest, tools]


def read_by_axolotl(tokenizer, path, folder, work):
    import yaml
    from axolotl.prompt_strategies.chat_template import load as load_strategy
    from axolotl.utils.dict import DictDefault

    dataset = yaml.safe_load((folder / "axolotl.yaml").read_text())["datasets"][0]
    config = DictDefault({"train_on_inputs": False, "sequence_len": 8192, "chat_template": "tokenizer_default"})
    strategy = load_strategy(tokenizer, config, DictDefault(dataset))
    rows = load("json", path, work / "cache")
    return [decode(tokenizer, strategy.tokenize_prompt(row)["input_ids"]) for row in rows]


def from_table(row):
    if row["messages"]:
        messages = json.loads(row["messages"])
    else:
        system = [say("system", row["system"])] if row["system"] else []
        messages = [*system, say("user", row["question"]), say("assistant", row["answer"])]
    return {"messages": messages, "tools": json.loads(row["tools"]) if row["tools"] else None}


def from_openai(line):
    """A row as OpenAI's documentation describes it: arguments are strings, content may be null."""
    row = json.loads(line)
    for message in row["messages"]:
        assert message["content"] is not None or message["tool_calls"]
        message["content"] = message["content"] or ""
        for made in message.get("tool_calls", []):
            assert isinstance(made["function"]["arguments"], str)
            made["function"]["arguments"] = json.loads(made["function"]["arguments"])
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hone", default=str(ROOT / "target/release/hone"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(arguments.hone, work)
        work = bench.work
        tokenizer = byte_tokenizer()
        expected = bench.expected
        bench.report("canonical", version("transformers"), [render(tokenizer, row) for row in canonical(ROWS)], expected)

        def check(form, library, read):
            """`read` gives library's texts and, where they differ from all rows', those expected."""
            folder, told = bench.export(form)
            try:
                kept = bench.without(told["left_out"])
                texts, wanted = read(folder, kept)
                bench.report(form, library, texts, wanted)
                if told["refused"]:
                    reasons = sorted({row["reason"] for row in told["left_out"]})
                    print(f"      {form}: {told['refused']} rows left out and told: {'; '.join(reasons)}")
            except ImportError as error:
                print(f"skip  {form:<21} {library}: {error}")

        rendered = lambda rows: bench.rendered(canonical(rows))  # noqa: E731
        trl = lambda kind: lambda folder, kept: (  # noqa: E731
            trained_by_trl(tokenizer, load(kind, next(folder.glob("train.*")), work / "cache"), work), rendered(kept))
        llama = lambda folder, kept: (read_by_llama_factory(byte_tokenizer(), folder, work), rendered(kept))  # noqa: E731
        datasets = version("datasets")
        check("openai", "as documented", lambda folder, kept: (
            [render(tokenizer, from_openai(line)) for line in (folder / "train.jsonl").read_text().splitlines()], rendered(kept)))
        check("trl", f"{version('trl')}, {datasets}", trl("json"))
        check("parquet", f"{version('trl')}, {datasets}", trl("parquet"))
        check("csv", datasets, lambda folder, kept: (
            [render(tokenizer, from_table(row)) for row in load("csv", folder / "train.csv", work / "cache")], rendered(kept)))
        check("llama-factory", version("llamafactory"), llama)
        check("llama-factory-openai", version("llamafactory"), lambda folder, kept: (
            read_by_llama_factory(byte_tokenizer(), folder, work), rendered(with_thinking_off(kept))))
        check("alpaca", version("llamafactory"), llama)
        check("axolotl", version("axolotl"), lambda folder, kept: (
            read_by_axolotl(tokenizer, folder / "train.jsonl", folder, work), rendered(kept)))
        from huggingface_hub import DatasetCard

        card = DatasetCard.load(work / "trl/README.md")
        good = card.data.license == "mit" and card.data.language == ["ko", "en"]
        bench.failed |= not good
        print(f"{'pass' if good else 'FAIL'}  data card             {version('huggingface_hub')}")
        sys.exit(bench.failed)


main()

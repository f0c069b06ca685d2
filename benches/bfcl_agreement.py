#!/usr/bin/env python3
"""Verdicts of `hone eval score --rules bfcl` beside BFCL's own checker, on outputs made at random.

    pip download --no-deps bfcl-eval && unzip bfcl_eval-*.whl -d WHEEL
    python benches/bfcl_agreement.py WHEEL [--hone target/release/hone] [--rows 40000] [--seed 1]
    python benches/bfcl_agreement.py WHEEL --source [--rows 60000]
    python benches/bfcl_agreement.py WHEEL --cases eval/tools/cases.jsonl --write tests/fixtures/bfcl --rows 900
    python benches/bfcl_agreement.py WHEEL --cases eval/tools/cases.jsonl --source --write tests/fixtures/bfcl/source --rows 600

Takes every single-turn case of the wheel, writes the right
calls (those of Java and JavaScript with source text as arguments, see `bfcl_source.py`), damages them (values, types, names, counts, JSON and tags, in Korean too), asks BFCL's code and
hone for a verdict on each, and prints where they differ. With --source only cases of Java and JavaScript are taken: the
wheel's, and those of Python with their types turned into types of these languages. Only BFCL's checker is imported: its model
handlers need the software of every vendor, so the two decoders are the few lines below, copied in
meaning from `qwen_fc.py` and `json_parser.py` and run by the real `parse_json_function_call`.
"""
import argparse, collections, json, random, re, subprocess, sys, tempfile, time, traceback, types, unicodedata
from pathlib import Path

import bfcl_source

CATEGORIES = ["simple_python", "multiple", "parallel", "parallel_multiple", "live_simple", "live_multiple",
              "live_parallel", "live_parallel_multiple", "irrelevance", "live_irrelevance", "live_relevance",
              "simple_java", "simple_javascript"]
LANGUAGES = {"simple_java": "JAVA", "simple_javascript": "JAVASCRIPT"}


def load(wheel):
    sys.path.insert(0, str(wheel))
    config = types.ModuleType("bfcl_eval.constants.model_config")
    config.MODEL_CONFIG_MAPPING = {"m": types.SimpleNamespace(underscore_to_dot=False)}
    sys.modules["bfcl_eval.constants.model_config"] = config
    from bfcl_eval.eval_checker.ast_eval import ast_checker
    from bfcl_eval.model_handler.parser.json_parser import parse_json_function_call
    from bfcl_eval.constants.enums import Language
    data = wheel / "bfcl_eval" / "data"
    cases = []
    for category in CATEGORIES:
        path = next(data.glob(f"BFCL_v[0-9]_{category}.json"))
        answers = data / "possible_answer" / path.name
        truth = {}
        if answers.exists():
            truth = {row["id"]: row["ground_truth"] for row in map(json.loads, answers.open())}
        for row in map(json.loads, path.open()):
            cases.append({"id": row["id"], "cat": category, "functions": row["function"],
                          "ground_truth": truth.get(row["id"])})
    return ast_checker.ast_checker, parse_json_function_call, Language, cases


TYPES = {"object": "dict", "number": "float"}


def gorilla(schema):
    """A JSON Schema with BFCL's names of types."""
    if isinstance(schema, dict):
        out = {key: gorilla(item) for key, item in schema.items()}
        if isinstance(schema.get("type"), str):
            out["type"] = TYPES.get(schema["type"], schema["type"])
            if out["type"] == "array":
                out.setdefault("items", {"type": "string"})
        return out
    return [gorilla(item) for item in schema] if isinstance(schema, list) else schema


def own(path):
    """Cases of ours, by the category that fits each. Leaves out types that BFCL does not know."""
    cases = []
    for row in map(json.loads, path.open(encoding="utf-8")):
        calls, functions = row["expect"]["calls"], [gorilla(t["function"]) for t in row["tools"]]
        for function in functions:
            function["parameters"].setdefault("required", [])
        category = ("irrelevance" if not calls else "parallel" if len(calls) > 1 else
                    "multiple" if len(functions) > 1 else "simple_python")
        truth = [{call["name"]: call.get("arguments", {})} for call in calls]
        cases.append({"id": row["id"], "cat": category, "functions": functions, "ground_truth": truth})
    return cases


def decode(raw, decoder, parse_list):
    if decoder == "qwen_fc":
        calls = []
        for block in re.findall(r"<tool_call>\n(.*?)\n</tool_call>", raw, re.DOTALL):
            try:
                calls.append(json.loads(block))
            except Exception:
                pass
        if any(type(call) != dict for call in calls):
            raise ValueError
        return [{call["name"]: {k: v for k, v in call["arguments"].items()}} for call in calls]
    text = raw.strip("`\n ")
    text = text if text.startswith("[") else "[" + text
    return parse_list(text if text.endswith("]") else text + "]")


def is_calls(decoded):
    return type(decoded) == list and all(
        type(item) == dict and len(item) == 1 and type(list(item.values())[0]) == dict for item in decoded)


def raised(error, case):
    """An exception of the checker: that of a converter has a name here, of others there is no verdict to agree with."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    converts = "type_convert" in last.filename or last.name == "simple_function_checker"
    if case["cat"] in LANGUAGES and converts:
        return (False, "ast_checker:exception")
    return ("broken", type(error).__name__)


def verdict(case, raw, decoder, checker, parse_list, languages):
    category = case["cat"]
    language = languages[LANGUAGES.get(category, "PYTHON")]
    try:
        decoded, failed = decode(raw, decoder, parse_list), False
    except Exception:
        decoded, failed = None, True
    if "relevance" in category:
        called = not failed and is_calls(decoded) and decoded not in ([], [{}])
        if "irrelevance" in category:
            return (not called, None if not called else "irrelevance_error:decoder_success")
        return (called, None if called else "relevance_error:decoder_failed")
    if failed:
        return (False, "ast_decoder:decoder_failed")
    if not is_calls(decoded):
        return (False, "ast_decoder:decoder_wrong_output_format")
    try:
        result = checker(case["functions"], decoded, case["ground_truth"], language, category, "m")
    except Exception as error:  # the checker itself breaks
        return raised(error, case)
    return (result["valid"], None if result["valid"] else result["error_type"])


TEXTS = ["서울", "서울시", "강남구 역삼동", "2.5 kN/m²", "a", "", " ", "New York", "NaN", "true", "ΑΣ", "İ", "ß", "０１",
         "활하중", unicodedata.normalize("NFD", "서울"), "it's", 'say "x"', "tab\there", "line\nbreak", "\u00a0", "😀"]
NUMBERS = [0, 1, -1, 5, 5.0, 0.1, 1e3, 1e400, -0.0, 10**30, 3.0000000001, float("nan"), float("inf")]


def value(r, depth=0):
    kind = r.randrange(8 if depth < 3 else 5)
    if kind in (0, 1):
        return r.choice(TEXTS)
    if kind == 2:
        return r.choice(NUMBERS)
    if kind == 3:
        return r.choice([True, False])
    if kind == 4:
        return None
    if kind in (5, 6):
        return [value(r, depth + 1) for _ in range(r.randrange(4))]
    return {r.choice(["a", "b", "키"]): value(r, depth + 1) for _ in range(r.randrange(3))}


def bend(r, old):
    """A value near another."""
    if isinstance(old, bool):
        return r.choice([not old, int(old), str(old), old])
    if isinstance(old, (int, float)):
        return r.choice([old + 1, -old, float(old), str(old), [old], old * 1.0000001, bool(old), old])
    if isinstance(old, str):
        edits = [old.upper(), old.lower(), old + ".", " " + old, old.replace(" ", ""), old.replace(" ", "_"), old[:-1],
                 old + "시", old.replace("'", '"'), old.replace(",", ""), unicodedata.normalize("NFD", old),
                 [old], {"value": old}, old + "\u200b", old.swapcase(), re.sub(r"[a-z]", "ａ", old, count=1), old]
        return r.choice(edits)
    if isinstance(old, list):
        new = list(old)
        how = r.randrange(7)
        if how == 0 and new:
            new[r.randrange(len(new))] = bend(r, r.choice(new))
        elif how == 1 and new:
            new.pop(r.randrange(len(new)))
        elif how == 2:
            new.append(value(r))
        elif how == 3:
            r.shuffle(new)
        elif how == 4:
            return [new]
        elif how == 5:
            return ", ".join(map(str, new))
        elif how == 6 and new:
            new[r.randrange(len(new))] = value(r)
        return new
    if isinstance(old, dict):
        new = dict(old)
        how = r.randrange(4)
        if how == 0 and new:
            key = r.choice(list(new))
            new[key] = bend(r, new[key])
        elif how == 1 and new:
            new.pop(r.choice(list(new)))
        elif how == 2:
            new[r.choice(["x", "키"])] = value(r)
        elif how == 3:
            return [new]
        return new
    return value(r)


def pick(r, accepted):
    """One of the acceptable values, keys of objects filled in the same way."""
    chosen = r.choice(accepted) if accepted else ""
    def fill(item):
        if isinstance(item, dict):
            return {k: fill(r.choice(v)) if isinstance(v, list) and v else v for k, v in item.items()
                    if not (isinstance(v, list) and "" in v and r.random() < .3)}
        return [fill(x) for x in item] if isinstance(item, list) else item
    return fill(chosen)


def calls_of(r, case):
    calls = []
    for call in case["ground_truth"] or []:
        (name, parameters), = call.items()
        arguments = {}
        for key, accepted in parameters.items():
            if "" in accepted and r.random() < .5:
                continue
            arguments[key] = pick(r, accepted)
        calls.append([name, arguments])
    if not calls:
        tool = r.choice(case["functions"])["name"] if case["functions"] else "tool"
        calls = [[tool, {"a": value(r)} if r.random() < .5 else {}]] if r.random() < .6 else []
    return calls


def damage(r, case, calls):
    for _ in range(r.choice([0, 0, 1, 1, 1, 2, 3])):
        how = r.randrange(12)
        call = r.choice(calls) if calls else None
        if how < 6 and call and call[1]:
            key = r.choice(list(call[1]))
            call[1][key] = bend(r, call[1][key]) if r.random() < .7 else value(r)
        elif how == 6 and call and call[1]:
            call[1].pop(r.choice(list(call[1])))
        elif how == 7 and call:
            call[1][r.choice(["extra", "단위", *[p for f in case["functions"] for p in f["parameters"].get("properties", {})][:6]])] = value(r)
        elif how == 8 and call and isinstance(call[0], str):
            call[0] = r.choice([call[0].upper(), call[0].replace(".", "_"), call[0] + " ", "다른_도구", 5, None, True])
        elif how == 9 and calls:
            calls.append(json.loads(json.dumps(r.choice(calls))))
        elif how == 10 and calls:
            calls.pop(r.randrange(len(calls)))
        elif how == 11:
            r.shuffle(calls)
    return calls


def write(r, calls, decoder):
    ascii_only = r.random() < .2
    if decoder == "qwen_fc":
        blocks = []
        for name, arguments in calls:
            item = {"name": name, "arguments": arguments}
            if r.random() < .05:
                item = r.choice([[item], {"name": name}, {"arguments": arguments}, {"name": name, "arguments": json.dumps(arguments)},
                                 {"name": [name], "arguments": arguments}, {"name": name, "arguments": None}, "text", {**item, "id": 1}])
            text = json.dumps(item, ensure_ascii=ascii_only, indent=r.choice([None, None, None, 2]))
            how = r.randrange(40)
            if how == 0: text = text[:-1]
            elif how == 1: text = text.replace('"', "'")
            elif how == 2: text = text[:-1] + ",}"
            elif how == 3: text = "\ufeff" + text
            elif how == 4: text = text.replace("{", '{"name": "x", ', 1)
            elif how == 5: text = "```json\n" + text + "\n```"
            elif how == 6: text = text + " // ok"
            open_tag, close = "<tool_call>\n", "\n</tool_call>"
            tag = r.randrange(40)
            if tag == 0: open_tag = "<tool_call>"
            elif tag == 1: close = "</tool_call>"
            elif tag == 2: close = ""
            elif tag == 3: open_tag = "<tool_call>\r\n"
            elif tag == 4: open_tag = "<TOOL_CALL>\n"
            elif tag == 5: open_tag = "<tool_call>\n\n"
            blocks.append(open_tag + text + close)
        text = r.choice(["\n", "", " ", "\n그리고\n"]).join(blocks)
        return r.choice(["", "", "", "알겠습니다. ", "<think>\n</think>\n"]) + text + r.choice(["", "", "<|im_end|>", "\n끝"])
    items = [{"function": name, "parameters": arguments} for name, arguments in calls]
    for item in items:
        if r.random() < .05:
            item.pop(r.choice(list(item)))
        elif r.random() < .05:
            item["parameters"] = r.choice([None, [], "x", {}])
        elif r.random() < .03:
            item["function"] = r.choice([[1], {}, 3, None])
    text = json.dumps(items if len(items) != 1 or r.random() < .7 else items[0], ensure_ascii=ascii_only, indent=r.choice([None, None, 2]))
    how = r.randrange(16)
    if how == 0: text = "```json\n" + text + "\n```"
    elif how == 1: text = "```\n" + text + "\n```"
    elif how == 2: text = "네: " + text + " 입니다. [참고] {x}"
    elif how == 3: text = text[:-1]
    elif how == 4: text = text[:-1] + ",]"
    elif how == 5: text = text + text
    elif how == 6: text = r.choice(["", "[]", "[[]]", "5", "null", '"x"', "{}", "[{}]", "[1, 2]", "모르겠습니다."])
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--hone", default="target/release/hone")
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=Path, help="cases of this program in place of the wheel's")
    parser.add_argument("--source", action="store_true", help="cases of Java and JavaScript only")
    parser.add_argument("--write", type=Path, help="write cases and outputs with BFCL's verdicts here, and compare nothing")
    options = parser.parse_args()
    checker, parse_list, languages, cases = load(options.wheel)
    if options.cases:
        cases = own(options.cases)[::1 if options.source else 4]
    r = random.Random(options.seed)
    if options.source:
        simple = [case for case in cases if case["cat"] == "simple_python"]
        retyped = [bfcl_source.retyped(r, case, language) for case in simple for language in bfcl_source.FITTING]
        cases = [case for case in cases if case["cat"] in LANGUAGES] * 3 + retyped
        cases += [case for case in cases if bfcl_source.has_collection(case)] * 4
    rows, theirs, broken = [], [], 0
    start = time.perf_counter()
    spent = 0.0
    while len(rows) < options.rows:
        case = r.choice(cases)
        decoder = "qwen_fc" if r.random() < .6 else "bfcl_json"
        calls = calls_of(r, case)
        if case["cat"] in LANGUAGES:
            calls = bfcl_source.written(r, case, calls)
        if case["cat"] in LANGUAGES and r.random() < .8:  # the form is not what these are about
            decoder = "qwen_fc"
            raw = "\n".join(f"<tool_call>\n{json.dumps({'name': n, 'arguments': a}, ensure_ascii=False)}\n</tool_call>" for n, a in calls)
        else:
            raw = write(r, damage(r, case, calls), decoder)
        if options.write and len(raw) > 3000:
            continue
        at = time.perf_counter()
        outcome = verdict(case, raw, decoder, checker, parse_list, languages)
        spent += time.perf_counter() - at
        if outcome[0] == "broken":
            broken += 1
            continue
        rows.append({"id": case["id"], "dec": decoder, "raw": raw})
        theirs.append(outcome)
    unique = list({case["id"]: case for case in cases}.values())
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        lines = lambda items: "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
        (options.write / "cases.jsonl").write_text(lines(unique), encoding="utf-8")
        judged = [{**row, "valid": valid, "err": error} for row, (valid, error) in zip(rows, theirs)]
        (options.write / "outputs.jsonl").write_text(lines(judged), encoding="utf-8", newline="\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "cases.jsonl").write_text("".join(json.dumps(c, ensure_ascii=False) + "\n" for c in unique), encoding="utf-8")
        (folder / "outputs.jsonl").write_text("".join(json.dumps(x, ensure_ascii=False) + "\n" for x in rows), encoding="utf-8", newline="\n")
        command = [options.hone, "eval", "score", "--cases", folder / "cases.jsonl", "--outputs", folder / "outputs.jsonl", "--rules", "bfcl", "--json"]
        at = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.perf_counter() - at
    ours = [json.loads(line) for line in done.stdout.splitlines()]
    if len(ours) != len(rows):
        sys.exit(f"hone gave {len(ours)} verdicts for {len(rows)} rows: {done.stderr[-500:]}")
    verdicts = errors = 0
    for row, mine, (valid, error) in zip(rows, ours, theirs):
        if mine["valid"] != valid:
            verdicts += 1
            if verdicts <= 10:
                print("verdict", {"bfcl": (valid, error), "hone": mine, "raw": row["raw"]})
        elif mine["error"] != error:
            errors += 1
            if errors <= 10:
                print("error", {"bfcl": error, "hone": mine["error"], "raw": row["raw"]})
    kinds = collections.Counter(error or "valid" for _, error in theirs)
    print(f"{len(rows)} outputs of {len(unique)} cases, seed {options.seed}: {verdicts} verdicts and {errors} error types differ; "
          f"BFCL's checker broke on {broken} more")
    print(f"BFCL {len(rows) / spent:,.0f} rows/s (its checker alone), hone {len(rows) / seconds:,.0f} rows/s (the whole command)")
    for kind, count in kinds.most_common():
        print(f"{count:7} {kind}")
    sys.exit(1 if verdicts or errors else 0)


main()

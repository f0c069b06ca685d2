"""Arguments written as source text of Java and JavaScript, right and bent, for `bfcl_agreement.py`."""
import copy

JAVA = ["byte", "short", "integer", "long", "float", "double", "boolean", "char", "String", "any", "Array", "ArrayList", "HashMap"]
JAVA_RARE = ["Set", "Hashtable", "Queue", "Stack", "array", "tuple", ""]
JS = ["String", "integer", "float", "Bigint", "Boolean", "dict", "array", "any"]
JS_RARE = ["Array", "boolean", "string", "null"]
FITTING = {
    "java": {int: ["integer", "long", "byte", "short"], float: ["double", "float"], bool: ["boolean"],
             str: ["String", "any", "char"], list: ["ArrayList", "Array"], dict: ["HashMap"]},
    "javascript": {int: ["integer", "Bigint", "float"], float: ["float"], bool: ["Boolean"],
                   str: ["String", "any"], list: ["array"], dict: ["dict"]},
}


def declared(r, value, language):
    """A type of the language, mostly one that fits a value."""
    common, rare = (JAVA, JAVA_RARE) if language == "java" else (JS, JS_RARE)
    if r.random() < .04:
        return r.choice(rare)
    return r.choice(common if r.random() < .12 else FITTING[language].get(type(value), common))


def retyped(r, case, language):
    """A case of Python's category as one of Java's or JavaScript's: its types become types of the language."""
    case = copy.deepcopy(case)
    (arguments,) = case["ground_truth"][0].values()
    for name, schema in case["functions"][0]["parameters"]["properties"].items():
        accepted = arguments.get(name, [])
        sample = next((item for item in accepted if item != ""), "")
        if accepted and not isinstance(sample, (list, dict)) and r.random() < .35:
            other = r.choice([sample, 5, 2.5, True, "b c"]) if r.random() < .3 else sample
            sample = r.choice([[sample, other], [other], [], {"k": [sample], "n": [other, ""]}, {"키": [sample, other]}])
            arguments[name] = [sample] + [item for item in accepted if item == ""]
        schema["type"] = declared(r, sample, language)
        schema.pop("items", None)
        if schema["type"] in ("Array", "ArrayList", "array") and r.random() < .97:
            first = sample[0] if isinstance(sample, list) and sample else ""
            schema["items"] = {"type": declared(r, first, language)}
    return {**case, "id": f"{language}-{case['id']}", "cat": f"simple_{language}"}


def has_collection(case):
    """Whether an argument is a list or an object."""
    types = {schema.get("type") for schema in case["functions"][0]["parameters"]["properties"].values()}
    return bool(types & {"Array", "ArrayList", "array", "HashMap", "dict"})


def scalar(r, value, kind):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        text = str(value)
        if kind in ("float", "double") and isinstance(value, int) and r.random() < .5:
            text += ".0"
        suffix = {"long": "L", "float": "f", "Bigint": "n"}.get(kind, "")
        return text + (suffix if r.random() < .85 else r.choice(["", "L", "l", "f", "F", "n", "d"]))
    return str(value)


def quoted(r, value, kind, language):
    if isinstance(value, str):
        mark = r.choice(['"', '"', '"', "'", ""])
        return mark + value + mark
    return literal(r, value, kind, None, language) if isinstance(value, (list, dict)) else scalar(r, value, kind)


def literal(r, value, kind, items, language):
    """A value as text of the language, in one of the ways people write it."""
    gap = r.choice(["", " ", " ", "  ", "\n", "\u00a0"])
    if isinstance(value, list):
        parts = [quoted(r, item, items, language) for item in value]
        joined = ("," + gap).join(parts)
        if language == "javascript":
            return r.choice(["[%s]", "[%s]", "[ %s ]", "new Array(%s)", "new Array( %s )", "Array.of(%s)", " [%s] "]) % joined
        name = r.choice(["String", "int", "Object", "Integer", "정수", "List<String>", ""])
        adds = " ".join(f"add({part});" for part in parts)
        forms = [f"new ArrayList<{name}>(Arrays.asList({joined}))", f"new ArrayList<{name}>() {{{{ {adds} }}}}",
                 f"new {name}[]{{{joined}}}", f"new {name}[] {{ {joined} }}", f"new {name}[] {{{gap}{joined}{gap}}}",
                 f"List.of({joined})", f"new ArrayList<{name}>()", f"new  ArrayList<{name}>(){{{{{adds}}}}}"]
        return r.choice(forms[2:5] if kind == "Array" and r.random() < .8 else forms[:2] if r.random() < .7 else forms)
    if isinstance(value, dict):
        if language == "javascript":
            pairs = [f"{r.choice([key, repr(key), chr(34) + key + chr(34)])}:{gap}{quoted(r, item, None, language)}" for key, item in value.items()]
            return "{" + ("," + gap).join(pairs) + "}"
        puts = " ".join(f'put("{key}",{gap}{quoted(r, item, None, language)});' for key, item in value.items())
        return r.choice([f"new HashMap<String, Object>() {{{{ {puts} }}}}", f"new HashMap<>() {{{{{puts}}}}}", f"new HashMap<>(){{{puts}}}",
                         "new HashMap<String, List<String>>()", f"Map.of({puts})"])
    if isinstance(value, str) and kind in ("String", "char") and r.random() < .5:
        return quoted(r, value, kind, language)
    return scalar(r, value, kind)


PIECES = ["\n", "\u00a0", "\x1c", "\x85", "\u3000", "_", "٥", "１", "²", "+", "-", ",", ", ", ":", ": ", "[", "]", "{", "}", "(", ")", '"', "'",
          "L", "l", "f", "F", "n", "e5", "E-2", ".", "inf", "nan", "Infinity", "true", "false", " ", "  ", "0", "7", "12", "1_000", "한",
          "new ", "new\t", "Array(", "ArrayList<", "<>", ">", "()", "Arrays.asList(", "))", "{{", "}}", "add(", "put(\"", "\",", ");",
          "HashMap<", "int[]", "[[", "]]", "a: ", "'b': ", "null", "None", "undefined", "9" * 40, "1e400", "-0", "0.1", "\r", "\t"]


def bent(r, text):
    """A text near another, or one thrown together."""
    for _ in range(r.choice([1, 1, 2, 3])):
        how = r.randrange(12)
        at = r.randrange(len(text) + 1)
        if how < 3:
            text = text[:at] + r.choice(PIECES) + text[at:]
        elif how < 5:
            text = text[:at] + text[at + r.choice([1, 1, 2, 5]):]
        elif how == 5:
            text = r.choice([text + "\n", text + " ", " " + text, text.strip(), text.strip("'\""), f'"{text}"', f"'{text}'", text + ";"])
        elif how == 6:
            end = r.randrange(len(text) + 1)
            text = text[:at] + text[min(at, end):max(at, end)][:30] + text[at:]
        elif how == 7:
            text = "".join(r.choice(PIECES) for _ in range(r.randrange(1, 14)))
        elif how == 8:
            text = r.choice([text.upper(), text.lower(), text.replace('"', "'"), text.replace(",", ", "), text.replace(" ", ""), text.replace("new ", "")])
        elif how == 9:
            text = r.choice(["{}", "[]", "", "new Array()", "new ArrayList<>()", "new HashMap<>()", "new HashMap<>() {{}}", "null", "{ }", "[ ]", "[[]]", "{:}"])
        elif how == 10 and r.random() < .05:
            text = r.choice(["%s", "%sL", "%sn", "[%s]", "new int[]{%s}", "{a: %s}", "-%s"]) % ("7" * r.choice([39, 400, 4300, 4301]))
        elif how == 11:
            text = text.replace(r.choice(["5", "1", "0", ",", " "]), r.choice(PIECES), 1)
    return text[:20_000]


def written(r, case, calls):
    """Turns the values of calls into source text, some of them bent."""
    language = case["cat"].split("_")[1]
    schemas = case["functions"][0]["parameters"]["properties"]
    for _, arguments in calls:
        for key, value in arguments.items():
            if r.random() < .03:
                continue
            schema = schemas.get(key, {})
            text = literal(r, value, schema.get("type"), schema.get("items", {}).get("type"), language)
            arguments[key] = bent(r, text) if r.random() < .35 else text
    return calls

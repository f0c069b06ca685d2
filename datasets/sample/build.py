#!/usr/bin/env python3
"""Build the two sample documents, their truth texts and their pairs.

    pip install typst pymupdf
    apt-get install fonts-nanum          # Korean fonts
    python build.py                      # writes ko/* and en/*

src/<lang>.txt        the document, one block a line (see parse())
src/<lang>-pairs.txt  the pairs: "Q ", "A ", "S " (quote) and, where a number
                      in the answer was computed, "C " (those numbers)
"""
import collections
import json
import pathlib
import re
import sys

import pymupdf as fitz
import typst

HERE = pathlib.Path(__file__).resolve().parent
LANGS = {
    "ko": dict(
        name="building-code-ko", lang="ko", region="kr",
        font=["Libertinus Serif", "NanumMyeongjo"], head=["NanumGothic"], size="9.8pt", leading="0.72em",
        runner="건축구조 표본기준 (가상 표본, 설계에 사용 금지)", page="– %s –",
        title="건축구조 표본기준",
        num=r"(?<![\d.,])0\d{3}(?:\.\d+)*(?:-\d+)?(?![\d,])",
        words=True,
    ),
    "en": dict(
        name="site-manual-en", lang="en", region="gb",
        font=["Libertinus Serif"], head=["Libertinus Serif"], size="10.5pt", leading="0.66em",
        runner="Structural Site Handbook (fictitious sample, not for design)", page="Page %s",
        title="Structural Site Handbook (sample)",
        num=r"\d+(?:\.\d+)+|Table \d+-\d+",
        words=False,
    ),
}


def parse(text):
    """One block a line. Marks: '! ' title, '~ ' boxed notice, '# ' chapter,
    '## ' section, '### ' article, 'T ' table caption, 'W ' its column widths,
    '| ' a table row (first one is the head), 'N ' note under a table,
    'P ' paragraph, '1) ' item, '2) ' sub-item, otherwise a numbered clause."""
    blocks, table = [], None
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("//"):
            continue
        tag, _, rest = line.partition(" ")
        if tag == "T":
            table = dict(kind="table", caption=rest, rows=[], widths=None, note=None)
            blocks.append(table)
        elif tag == "W":
            table["widths"] = rest.split()
        elif tag == "|":
            row = [c.strip() for c in rest.strip("|").split("|")]
            assert not table["rows"] or len(row) == len(table["rows"][0]), line
            table["rows"].append(row)
        elif tag == "N":
            table["note"] = rest
        elif tag in ("!", "~", "#", "##", "###", "P", "1)", "2)"):
            blocks.append(dict(kind=tag, text=rest))
        else:
            blocks.append(dict(kind="clause", num=tag, text=rest))
    return blocks


def lines_of(b):
    """The block as a reader would read it."""
    if b["kind"] == "table":
        out = [b["caption"]] + [" ".join(r) for r in b["rows"]]
        return out + ([b["note"]] if b["note"] else [])
    if b["kind"] == "clause":
        return [b["num"] + " " + b["text"]]
    return [b["text"]]


def q(s):
    return '"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"'


def to_typ(blocks, c):
    keep = '#show regex("\\S*\\d (?:%|℃|[a-zA-Z])\\S*|\\S+"): it => box(it)\n' if c["words"] else \
        '#show regex("\\S*\\d (?:°C|m/s|mm|m[²³]?|MPa|kN|%)\\b\\S*|\\(k[gN]/m[²³]\\)"): it => box(it)\n'
    out = [f"""// Made by build.py from src/{c['lang']}.txt. Text: CC0-1.0.
#set document(title: {q(c['title'])}, author: "hone contributors", date: none)
#let heads = ((name: "Libertinus Serif", covers: regex("[²³]")), {", ".join(q(f) for f in c['head'])})
#set text(font: ({", ".join(q(f) for f in c['font'])},), size: {c['size']}, lang: {q(c['lang'])}, region: {q(c['region'])}, hyphenate: false)
#set par(justify: {"false" if c['words'] else "true"}, leading: {c['leading']}, spacing: 0.95em)
#set page(paper: "a4", margin: (x: 24mm, top: 26mm, bottom: 22mm),
  header: {{ set text(size: 8pt, font: heads, fill: luma(90)); {q(c['runner'])}; v(-0.5em); line(length: 100%, stroke: 0.4pt + luma(150)) }},
  footer: context align(center, text(size: 8.5pt, font: heads, {q(c['page'].split('%s')[0])} + str(here().page()) + {q(c['page'].split('%s')[1])})))
#let b(id, body, ..args) = block(breakable: false, width: 100%, ..args, {{ context [#metadata((id: id, page: here().page())) <blk>]; body }})
#let title(id, t) = b(id, above: 0pt, below: 1em, text(size: 20pt, weight: "bold", font: heads, t))
#let notice(id, t) = b(id, inset: 8pt, stroke: 0.6pt + luma(120), fill: luma(245), above: 1em, below: 1em, text(size: 0.94em, t))
#let chapter(id, t) = b(id, above: 1.9em, below: 1em, sticky: true, text(size: 14.5pt, weight: "bold", font: heads, t))
#let section(id, t) = b(id, above: 1.5em, below: 0.85em, sticky: true, text(size: 11.8pt, weight: "bold", font: heads, t))
#let article(id, t) = b(id, above: 1.25em, below: 0.75em, sticky: true, text(size: 10.3pt, weight: "bold", font: heads, t))
#let para(id, t) = b(id, t)
#let clause(id, n, t) = b(id, par(hanging-indent: 1.2em, strong(n) + " " + t))
#let item(id, t) = b(id, inset: (left: 1.6em), par(hanging-indent: 1.5em, t))
#let sub(id, t) = b(id, inset: (left: 3.2em), par(hanging-indent: 1.4em, t))
#let tab(id, caption, widths, note, head, ..cells) = b(id, above: 1.2em, below: 1.4em, {{
  set text(size: 0.92em)
  set par(justify: false, leading: 0.55em)
  align(center, text(weight: "bold", font: heads, caption))
  v(-0.3em)
  table(columns: widths, inset: (x: 5pt, y: 5pt), stroke: 0.5pt + luma(110), align: (x, y) => (if x == 0 {{ left }} else {{ center }}) + horizon,
    fill: (x, y) => if y == 0 {{ luma(232) }}, table.header(..head.map(h => text(weight: "bold", font: heads, h))), ..cells)
  if note != none {{ v(-0.4em); text(size: 0.94em, note) }}
}})
{keep}"""]
    fn = {"!": "title", "~": "notice", "#": "chapter", "##": "section", "###": "article",
          "P": "para", "1)": "item", "2)": "sub"}
    for i, b in enumerate(blocks):
        if b["kind"] == "table":
            n = len(b["rows"][0])
            w = ", ".join(b["widths"] or ["1fr"] * n)
            rows = "\n".join("  " + " ".join(q(x) + "," for x in r) for r in b["rows"][1:])
            out.append(f"#tab({i}, {q(b['caption'])}, ({w}), {q(b['note']) if b['note'] else 'none'},\n"
                       f"  ({' '.join(q(x) + ',' for x in b['rows'][0])}),\n{rows}\n)")
        elif b["kind"] == "clause":
            out.append(f"#clause({i}, {q(b['num'])}, {q(b['text'])})")
        else:
            out.append(f"#{fn[b['kind']]}({i}, {q(b['text'])})")
    return "\n".join(out) + "\n"


def squeeze(s):
    return re.sub(r"\s+", "", s)


def numbers(s):
    return re.findall(r"\d+(?:[.,]\d+)*", s)


def build(lang):
    c, bad = LANGS[lang], []
    blocks = parse((HERE / "src" / f"{lang}.txt").read_text("utf-8"))
    typ, pdf = HERE / lang / (c["name"] + ".typ"), HERE / lang / (c["name"] + ".pdf")
    typ.write_text(to_typ(blocks, c), "utf-8")
    typst.compile(str(typ), output=str(pdf), pdf_standards=["1.7"])
    where = {v["id"]: v["page"] for v in
             json.loads(typst.query(str(typ), "<blk>", field="value"))}
    doc = fitz.open(pdf)
    n = len(doc)
    truth = [[] for _ in range(n)]
    for i, b in enumerate(blocks):
        truth[where[i] - 1] += lines_of(b)
    (HERE / lang / "truth.txt").write_text("\f".join("\n".join(p) + "\n" for p in truth), "utf-8")
    pages = [squeeze(p.get_text()) for p in doc]
    for k, p in enumerate(truth):
        for ln in p:
            if squeeze(ln) not in pages[k]:
                bad.append(f"{lang} truth page {k + 1}: {ln[:60]}")
    rows, cur = [], {}
    for ln in (HERE / "src" / f"{lang}-pairs.txt").read_text("utf-8").splitlines() + ["Q end"]:
        if not ln.strip() or ln.startswith("//"):
            continue
        tag, val = ln[0], ln[2:].strip()
        if tag == "Q" and cur:
            rows.append(cur)
            cur = {}
        assert tag in "QASC" and ln[1] == " ", ln
        cur[tag] = val
    seen, out, per = set(), [], collections.Counter()
    for r in rows:
        ps = [k + 1 for k, t in enumerate(pages) if squeeze(r["S"]) in t]
        flat = squeeze("".join(sum(truth, [])))
        if len(ps) != 1 or flat.count(squeeze(r["S"])) != 1:
            bad.append(f"{lang} quote on pages {ps}: {r['S']}")
            continue
        if not 8 <= len(r["S"]) <= 160:
            bad.append(f"{lang} quote length {len(r['S'])}: {r['S']}")
        if r["Q"] in seen:
            bad.append("twice: " + r["Q"])
        seen.add(r["Q"])
        a = re.sub(c["num"], " ", r["A"]) if lang == "ko" else re.sub(
            r"(?:[Cc]lause|[Ss]ection|[Tt]able)s? [\d.\-]*\d(?:(?:,| and| or) \d+\.[\d.]*\d)*", " ", r["A"])
        a = re.sub(r"\(\d\)", " ", a)
        if not re.search(c["num"], r["A"]):
            bad.append(f"{lang} no clause number: {r['A']}")
        have = set(numbers(r["S"]) + numbers(r["Q"]) + numbers(r.get("C", "")))
        miss = [x for x in numbers(a) if x not in have]
        if miss:
            bad.append(f"{lang} numbers {miss} not in quote: {r['A']} <- {r['S']}")
        for cited in re.findall(c["num"] if lang == "ko" else r"\d+(?:\.\d+){2}|Table \d+-\d+", r["A"]):
            if squeeze(cited) not in "".join(pages):
                bad.append(f"{lang} cites unknown {cited}")
        # the quote must stand in the block the answer cites (looked at loosely)
        own = next((b for b in blocks if squeeze(r["S"]) in squeeze("".join(lines_of(b)))), None)
        if own is None:
            bad.append(f"{lang} quote spans blocks: {r['S']}")
        else:
            label = own.get("num") or (own.get("caption") or "").split(" ")
            label = label if isinstance(label, str) else " ".join(label[:2])
            if not label:  # an item: the clause above it
                j = blocks.index(own)
                while "num" not in blocks[j]:
                    j -= 1
                label = blocks[j]["num"]
            if label not in r["A"]:
                bad.append(f"{lang} answer does not cite {label}: {r['A']}")
        per[ps[0]] += 1
        out.append(dict(page=ps[0], **r))
    # ids follow the order of the source, which follows the document
    with open(HERE / lang / "pairs.jsonl", "w", encoding="utf-8") as f:
        for i, r in enumerate(out, 1):
            f.write(json.dumps({"messages": [{"role": "user", "content": r["Q"]},
                                             {"role": "assistant", "content": r["A"]}],
                                "meta": {"id": f"sample-{lang}-{i:04d}", "language": lang,
                                         "document": pdf.name, "page": r["page"], "quote": r["S"],
                                         "author": "hone contributors", "licence": "CC0-1.0"}},
                               ensure_ascii=False) + "\n")
    fonts = {(f[3], f[1]) for p in doc for f in p.get_fonts()}
    print(f"{lang}: {n} pages, {pdf.stat().st_size} bytes, {len(out)} pairs of {len(rows)}, "
          f"tables {sum(b['kind'] == 'table' for b in blocks)}, per page {dict(sorted(per.items()))}, fonts {sorted(fonts)}")
    return bad


if __name__ == "__main__":
    problems = sum((build(x) for x in (sys.argv[1:] or LANGS)), [])
    print("\n".join(problems) or "all checks passed")
    sys.exit(bool(problems))

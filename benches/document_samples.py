#!/usr/bin/env python3
"""Makes PDF files with known text by as many producers as there are on the machine, for document_text.py.

    pip install weasyprint reportlab typst fpdf2
    python benches/document_samples.py FOLDER     # also used where found: chromium, soffice, wkhtmltopdf,
                                                  # xelatex, pdflatex (kotex), groff, gs, qpdf

The texts were made up for this and are CC0-1.0. Each NAME.pdf gets its NAME.txt: a line a paragraph or table row,
cells separated by tabs; running headers and page numbers are not in it.
"""
import html
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HEADER = {"ko": "교량 점검 요령 (표본)", "en": "Sample Manual for Bridge Inspection"}
FONT = "NanumMyeongjo"

# h: headings, p: paragraphs, li: list items, t: tables, cols: two columns, n: a note in small print.
KO = [
    ("h1", "제2장 점검의 종류와 주기"),
    ("h2", "2.1 일반사항"),
    ("p", "제4조(목적) 이 요령은 도로교량의 손상을 일찍 찾아내어 보수하고, 그 결과를 기록으로 남겨 다음 점검에 쓰이도록 하는 데 "
          "필요한 사항을 정함을 목적으로 한다. 다만, 가설교량과 보도전용교량은 발주자가 따로 정하는 바에 따른다."),
    ("p", "정기점검은 반기마다 한 번 이상, 정밀점검은 2년마다 한 번 이상 하여야 하며, 지진이나 홍수가 지나간 뒤에는 72시간 안에 "
          "긴급점검을 마쳐야 한다. 점검자는 책임기술자 1명과 보조원 2명 이상으로 짜고, 높이 5 m를 넘는 곳에서는 안전대를 맨다."),
    ("li", "(1) 균열폭이 0.3 mm를 넘는 곳은 위치, 길이, 폭을 도면에 적고 사진을 붙인다."),
    ("li", "(2) 받침의 이동량이 설계값의 80 %에 이르면 신축이음의 유간을 함께 재어 기온과 나란히 기록한다."),
    ("li", "(3) 염해가 걱정되는 바닷가 교량은 염화물 함유량 1.2 kg/㎥를 기준으로 시료를 뜬다."),
    ("li", "가. 시료는 한 경간에서 세 곳 이상 뜨며, 뜬 자리는 무수축 모르타르로 바로 메운다."),
    ("li", "나. 시료에는 뜬 날짜와 깊이를 적은 꼬리표를 단다."),
    ("h2", "2.2 상태등급"),
    ("p", "상태등급은 부재마다 매긴 점수를 가중평균하여 정한다. 주부재의 가중값은 보조부재보다 크게 두되, 그 비는 3.0을 넘지 않는다."),
    ("t", [
        ["등급", "상태", "손상점수", "조치 기한", "통행제한"],
        ["A", "흠이 없음", "0.10 미만", "-", "없음"],
        ["B", "보조부재에 가벼운 흠이 있음", "0.10~0.26", "다음 점검까지", "없음"],
        ["C", "주부재에 가벼운 흠 또는 보조부재에 넓은 흠이 있음", "0.26~0.49", "1년", "필요하면 둠"],
        ["D", "주부재를 바로 보수하여야 함", "0.49~0.79", "3개월", "총중량 20 t"],
        ["E", "사용을 멈추어야 함", "0.79 이상", "즉시", "전면통제"],
    ]),
    ("p", "총중량 제한을 둘 때에는 교량 앞 500 m와 50 m 자리에 안내표지를 세우고, 관할 경찰서와 소방서에 24시간 안에 알린다. "
          "제한을 풀려면 재하시험으로 내하율 1.0 이상을 확인하고 책임기술자가 서명한 보고서를 내야 한다."),
    ("cols", [
        ("h2", "2.3 점검장비"),
        ("p", "점검차는 굴절식을 원칙으로 하되, 형하고가 8 m 이하인 곳에서는 고소작업대로 갈음할 수 있다. 무인비행체를 쓸 때에는 풍속이 "
              "초속 8 m를 넘지 않아야 하고, 사진의 해상도는 1 mm의 균열을 가려낼 수 있어야 한다."),
        ("p", "초음파탐상기는 쓰기에 앞서 시험편으로 바로잡으며, 바로잡은 기록은 5년 동안 보관한다. 반발경도로 추정한 압축강도는 "
              "코어 강도로 보정하지 않은 채 내하력 계산에 쓸 수 없다."),
        ("h2", "2.4 기록"),
        ("p", "점검기록은 점검을 마친 날부터 30일 안에 전산망에 올린다. 올린 기록을 고칠 때에는 고친 사람, 날짜, 까닭을 함께 남기고 "
              "앞선 기록은 지우지 않는다."),
        ("p", "사진은 부재이름, 방향, 찍은 날을 파일이름에 담고, 위치정보는 세계측지계로 적는다. 영상은 원본을 보관하며 편집본만으로 "
              "갈음하지 아니한다."),
    ]),
    ("h2", "2.5 용어 (Terms)"),
    ("li", "• 형하고(Clearance): 계획홍수위 또는 도로면에서 상부구조 아랫면까지의 높이"),
    ("li", "• 유간(Joint gap): 상부구조 끝과 교대 흉벽 사이의 수평거리로서 기온에 따라 달라지는 값"),
    ("li", "• 내하율(Rating factor): 활하중에 대한 여유를 나타내는 값, RF ≥ 1.0"),
    ("p", "Load ratings shall follow the LRFR method; for bridges built before 1978 the allowable stress method may be used instead, "
          "provided that the engineer records the reason on Form BR-7."),
    ("n", "※ 이 글은 문자 추출을 시험하려고 지어낸 것으로 실제 점검에 쓸 수 없다."),
]
EN = [
    ("h1", "Chapter 4 Concrete Repair"),
    ("h2", "4.1 Scope"),
    ("p", "This chapter covers the repair of spalled, cracked or delaminated concrete in bridge decks, piers and abutments. It does not "
          "cover post-tensioned anchorages, for which the special provisions of Chapter 9 apply in all cases."),
    ("p", "Where the depth of removal exceeds 75 mm or reaches behind the first layer of reinforcement, the contractor shall submit a "
          "shoring plan, sealed by a licensed engineer, at least fourteen days before the work is to start."),
    ("h2", "4.2 Materials"),
    ("li", "(a) Cement shall be Type I/II low-alkali, with a fineness of at least 320 m2/kg."),
    ("li", "(b) Aggregate for overlays shall pass the 9.5 mm sieve; no more than 1.5 % by mass may pass the 75 micrometre sieve when "
           "tested wet."),
    ("li", "(c) Bonding agents that form a film within thirty minutes are not to be used on vertical faces."),
    ("p", "Trial batches are made with the very materials, mixer and crew intended for the work. A self-levelling mix may be offered as "
          "an alternative; its flow is measured three times, and the lowest reading governs."),
    ("t", [
        ["Mix", "Use", "Strength (MPa)", "Slump (mm)", "Air (%)"],
        ["R1", "Deck overlay", "35", "100", "6.5"],
        ["R2", "Vertical faces and overhead patches", "30", "60", "5.0"],
        ["R3", "Underwater encasement", "40", "200", "-"],
        ["R4", "Curbs and parapets", "30", "80", "6.0"],
    ]),
    ("p", "Strengths are those of cylinders at 28 days. A lot that falls short by less than 2.0 MPa may be accepted at a reduced price "
          "if cores show that the in-place strength is sufficient."),
    ("cols", [
        ("h2", "4.3 Preparation"),
        ("p", "Saw cuts along the edges of each patch are 20 mm deep and do not damage reinforcement. Chipping hammers heavier than 7 kg "
              "are prohibited within 150 mm of bearings and expansion joints."),
        ("p", "Exposed bars are cleaned to bright metal. Bars that have lost more than one fifth of their section are spliced with new "
              "bars of the same size, lapped as shown in the drawings."),
        ("h2", "4.4 Curing"),
        ("p", "Wet burlap is placed as soon as the surface will not be marred, and in no case later than twenty minutes after finishing. "
              "It is kept wet for seven days."),
        ("p", "When the air temperature is expected to fall below 4 degrees, insulated blankets are laid over the burlap and "
              "thermometers read every six hours."),
    ]),
    ("p", "The engineer's acceptance of a repair does not relieve the contractor of the two-year warranty given in Article 12."),
]


def flat(blocks):
    for kind, content in blocks:
        yield from flat(content) if kind == "cols" else [(kind, content)]


def truth(blocks):
    lines = []
    for kind, content in flat(blocks):
        lines += ["\t".join(row) for row in content] if kind == "t" else [content]
    return "\n".join(lines) + "\n"


def as_html(blocks, language, font, columns=True, justify=True, header=True):
    body = []

    def put(blocks):
        for kind, content in blocks:
            if kind == "cols":
                body.append("<div class=cols>")
                put(content)
                body.append("</div>")
            elif kind == "t":
                rows = ["<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in content]
                body.append("<table>" + "".join(rows) + "</table>")
            else:
                tag = {"h1": "h1", "h2": "h2"}.get(kind, "p")
                body.append(f"<{tag} class={kind}>{html.escape(content)}</{tag}>")

    put(blocks)
    margin = f'@top-right {{ content: "{HEADER[language]}"; font-size: 8pt }} @bottom-center {{ content: counter(page) " / " counter(pages) }}'
    return f"""<!doctype html><html lang={language}><meta charset=utf-8><style>
@page {{ size: A4; margin: 22mm 20mm; {margin if header else ""} }}
body {{ font: 10.5pt/1.55 "{font}", serif; {"text-align: justify;" if justify else ""} }}
h1 {{ font-size: 16pt }} h2 {{ font-size: 12pt }} .li {{ margin: 2pt 0 2pt 18pt; text-indent: -14pt }} .n {{ font-size: 8.5pt }}
table {{ border-collapse: collapse; width: 100% }} td {{ border: 0.5pt solid; padding: 3pt 5pt }}
{".cols { columns: 2; column-gap: 8mm }" if columns else ""}</style>{"".join(body)}</html>"""


def tex_escape(text):
    for mark in "\\{}$&#^_~%":
        text = text.replace(mark, {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\^{}"}.get(mark, "\\" + mark))
    return text.replace("≥", r"$\geq$").replace("•", r"\textbullet{}").replace("※", r"{\symbolfont ※}")


def as_tex(blocks, language, preamble):
    body = []

    def put(blocks):
        for kind, content in blocks:
            if kind == "cols":
                body.append(r"\begin{multicols}{2}")
                put(content)
                body.append(r"\end{multicols}")
            elif kind == "t":
                rows = [" & ".join(map(tex_escape, row)) + r" \\ \hline" for row in content]
                body.append(r"\begin{center}\begin{tabular}{|l|p{48mm}|l|l|l|}\hline " + "\n".join(rows) + r"\end{tabular}\end{center}")
            elif kind in ("h1", "h2"):
                size = r"\Large" if kind == "h1" else r"\large"
                body.append(rf"\par\medskip\noindent{{{size}\textbf{{{tex_escape(content)}}}}}\par\smallskip")
            elif kind == "li":
                body.append(rf"\par\noindent\hangindent=14pt\hangafter=1 {tex_escape(content)}\par")
            else:
                opened, closed = ("{\\small ", "}") if kind == "n" else ("", "")
                body.append("\\par " + opened + tex_escape(content) + closed + "\\par")

    put(blocks)
    return "\n".join([
        r"\documentclass[11pt,a4paper]{article}", r"\usepackage[margin=24mm]{geometry}\usepackage{multicol,fancyhdr}", preamble,
        r"\pagestyle{fancy}\fancyhf{}\fancyhead[L]{" + HEADER[language] + r"}\fancyfoot[C]{\thepage}",
        r"\providecommand{\symbolfont}{}\begin{document}", *body, r"\end{document}"])


def as_typst(blocks, language, font):
    def escape(text):
        return '#"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def put(blocks):
        for kind, content in blocks:
            if kind == "cols":
                yield "#columns(2)[\n" + "\n\n".join(put(content)) + "\n]"
            elif kind == "t":
                cells = ", ".join(f"[{escape(cell)}]" for row in content for cell in row)
                yield f"#table(columns: (auto, 1fr, auto, auto, auto), {cells})"
            elif kind in ("h1", "h2"):
                yield f"#text(size: {16 if kind == 'h1' else 12}pt, weight: \"bold\")[{escape(content)}]"
            elif kind == "li":
                yield f"#par(hanging-indent: 14pt)[{escape(content)}]"
            else:
                yield f"#text(size: {8.5 if kind == 'n' else 10.5}pt)[{escape(content)}]"

    return "\n\n".join([
        f'#set page(paper: "a4", header: [{HEADER[language]} #h(1fr) #context counter(page).display()])',
        f'#set text(font: "{font}", size: 10.5pt, lang: "{language}")\n#set par(justify: true)', *put(blocks)])


def as_roff(blocks):
    lines = [".nr PS 11", ".ds LH " + HEADER["en"], ".ds CF - % -", ".P1", ".LP"]
    for kind, content in flat(blocks):
        if kind == "t":
            lines += [".TS", "tab(|);", "l l n n n.", *("|".join(row) for row in content), ".TE"]
        elif kind in ("h1", "h2"):
            lines += [".SH", content]
        elif kind == "li":
            mark, rest = content.split(" ", 1)
            lines += [f".IP {mark}", rest]
        else:
            lines += [".PP", content]
    return "\n".join(lines) + "\n"


def tool(*arguments, **options):
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, **options)
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout).decode("utf-8", "replace")[-300:])
    return done.stdout


def reportlab(blocks, target, font_file):
    from reportlab.lib import colors, pagesizes, styles
    from reportlab.pdfbase import pdfmetrics, ttfonts
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table

    pdfmetrics.registerFont(ttfonts.TTFont("sample", font_file))
    style = styles.ParagraphStyle("body", fontName="sample", fontSize=10, leading=15, wordWrap="CJK", alignment=4)
    flow = []
    for kind, content in flat(blocks):
        if kind == "t":
            rows = [[Paragraph(html.escape(cell), style) for cell in row] for row in content]
            flow.append(Table(rows, colWidths=[45, 170, 75, 85, 75], style=[("GRID", (0, 0), (-1, -1), 0.5, colors.black)]))
        else:
            flow.append(Paragraph(html.escape(content), style))
        flow.append(Spacer(1, 6))

    def furniture(canvas, document):
        canvas.setFont("sample", 8)
        canvas.drawString(60, 800, HEADER["ko"])
        canvas.drawCentredString(297, 30, f"- {document.page} -")

    SimpleDocTemplate(str(target), pagesize=pagesizes.A4).build(flow, onFirstPage=furniture, onLaterPages=furniture)


def fpdf(blocks, target, font_file):
    from fpdf import FPDF

    class Sample(FPDF):
        def footer(self):
            self.set_y(-15)
            self.cell(0, 8, f"Page {self.page_no()}", align="C")

    pdf = Sample()
    pdf.add_font("sample", "", font_file)
    pdf.set_font("sample", size=10.5)
    pdf.add_page()
    for kind, content in flat(blocks):
        if kind == "t":
            with pdf.table(col_widths=(10, 40, 18, 20, 18), first_row_as_headings=False) as table:
                for row in content:
                    line = table.row()
                    for cell in row:
                        line.cell(cell)
        else:
            pdf.multi_cell(0, 6.5, content, new_x="LMARGIN", new_y="NEXT")
        pdf.ln(2)
    pdf.output(str(target))


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    nanum = "/usr/share/fonts/truetype/nanum/NanumGothic.ttf"
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        pages = {}
        for name, blocks, language in (("ko", KO, "ko"), ("en", EN, "en")):
            for variant, options in (("", {}), ("-ragged", {"justify": False, "header": False})):
                pages[name + variant] = scratch / f"{name}{variant}.html"
                pages[name + variant].write_text(as_html(blocks, language, FONT if name == "ko" else "DejaVu Serif", **options))

        def make(name, blocks, needs, build):
            if needs and not shutil.which(needs):
                print(f"{name}: {needs} is not here")
                return
            try:
                build(folder / f"{name}.pdf")
                (folder / f"{name}.txt").write_text(truth(blocks))
            except Exception as error:  # one producer less is no reason to stop
                print(f"{name}: {error!r}"[:400])

        def tex(blocks, language, program, preamble):
            def build(target):
                (scratch / "sample.tex").write_text(as_tex(blocks, language, preamble))
                for _ in range(2):
                    tool(program, "-interaction=batchmode", "sample.tex", cwd=scratch)
                shutil.copy(scratch / "sample.pdf", target)
            return build

        def office(source):
            def build(target):
                tool("soffice", "--headless", f"-env:UserInstallation=file://{scratch}/office", "--convert-to", "pdf:writer_web_pdf_Export",
                     "--outdir", str(scratch), str(source))
                shutil.copy(scratch / f"{source.stem}.pdf", target)
            return build

        def weasy(source):
            import weasyprint
            return lambda target: weasyprint.HTML(str(source)).write_pdf(str(target))

        def typst_build(blocks, language, font):
            def build(target):
                import typst
                (scratch / "sample.typ").write_text(as_typst(blocks, language, font))
                typst.compile(str(scratch / "sample.typ"), output=str(target))
            return build

        for key, blocks in (("ko", KO), ("en", EN), ("ko-ragged", KO)):
            source = pages[key]
            make(f"chromium-{key}", blocks, "chromium", lambda target: tool(
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--print-to-pdf={target}", f"file://{source}"))
            make(f"office-{key}", blocks, "soffice", office(source))
            make(f"weasy-{key}", blocks, None, weasy(source))
            make(f"wkhtml-{key}", blocks, "wkhtmltopdf", lambda target: tool(
                "xvfb-run", "-a", "wkhtmltopdf", "-q", "--footer-center", "[page] / [topage]", f"file://{source}", str(target)))
        make("typst-ko", KO, None, typst_build(KO, "ko", FONT))
        make("typst-en", EN, None, typst_build(EN, "en", "Libertinus Serif"))
        make("xelatex-ko", KO, "xelatex", tex(KO, "ko", "xelatex", r"\usepackage{kotex}\setmainhangulfont{NanumMyeongjo}"))
        make("pdflatex-ko", KO, "pdflatex", tex(KO, "ko", "pdflatex", r"\usepackage{kotex}\usepackage{textcomp}"))
        make("pdflatex-en", EN, "pdflatex", tex(EN, "en", "pdflatex", ""))
        make("reportlab-ko", KO, None, lambda target: reportlab(KO, target, nanum))
        make("fpdf-ko", KO, None, lambda target: fpdf(KO, target, nanum))
        (scratch / "sample.ms").write_text(as_roff(EN))
        make("groff-pdf-en", EN, "groff", lambda target: target.write_bytes(tool("groff", "-t", "-ms", "-Tpdf", str(scratch / "sample.ms"))))
        make("groff-ps-gs-en", EN, "gs", lambda target: tool(
            "sh", "-c", f"groff -t -ms -Tps {scratch}/sample.ms | gs -q -dBATCH -dNOPAUSE -sDEVICE=pdfwrite -o {target} -"))
        for source, blocks in (("typst-ko", KO), ("chromium-ko", KO), ("pdflatex-en", EN)):
            make(f"gs-{source}", blocks, "gs", lambda target: tool(
                "gs", "-q", "-dBATCH", "-dNOPAUSE", "-sDEVICE=pdfwrite", "-o", str(target), str(folder / f"{source}.pdf")))
        make("qpdf-rotate-weasy-ko", KO, "qpdf", lambda target: tool(
            "qpdf", "--rotate=270", str(folder / "weasy-ko.pdf"), str(target)))


if __name__ == "__main__":
    main()

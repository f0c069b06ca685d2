use super::super::archive::tests::zip;
use super::*;

const STYLES: &str = r#"<w:styles xmlns:w="w">
<w:style w:type="paragraph" w:default="1" w:styleId="a"><w:name w:val="Normal"/></w:style>
<w:style w:type="paragraph" w:styleId="1"><w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr><w:outlineLvl w:val="0"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="2"><w:name w:val="heading 2"/><w:basedOn w:val="1"/><w:pPr><w:numPr><w:ilvl w:val="1"/></w:numPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="T1"><w:name w:val="toc 1"/></w:style>
</w:styles>"#;
const NUMBERING: &str = r#"<w:numbering xmlns:w="w">
<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="decimal"/><w:pStyle w:val="1"/><w:lvlText w:val="제%1장"/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/></w:lvl></w:abstractNum>
<w:abstractNum w:abstractNumId="5"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="ganada"/><w:lvlText w:val="%1."/></w:lvl></w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>
<w:num w:numId="2"><w:abstractNumId w:val="5"/></w:num>
<w:num w:numId="3"><w:abstractNumId w:val="5"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>
</w:numbering>"#;
const FOOTNOTES: &str = r#"<w:footnotes xmlns:w="w"><w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:t>---</w:t></w:r></w:p></w:footnote>
<w:footnote w:id="2"><w:p><w:r><w:t>건축구조기준</w:t></w:r></w:p></w:footnote></w:footnotes>"#;

fn read(body: &str) -> Vec<String> {
    let document = format!(r#"<w:document xmlns:w="w"><w:body>{body}</w:body></w:document>"#);
    let bytes = zip(&[
        (
            "_rels/.rels",
            r#"<Relationships><Relationship Type="http://x/officeDocument" Target="word/main.xml"/></Relationships>"#,
        ),
        ("word/main.xml", &document),
        ("word/styles.xml", STYLES),
        ("word/numbering.xml", NUMBERING),
        ("word/footnotes.xml", FOOTNOTES),
    ]);
    let mut archive = Archive::open(&bytes).unwrap();
    pages(&mut archive).unwrap().into_iter().map(|page| page.text).collect()
}

fn paragraph(properties: &str, text: &str) -> String {
    format!("<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>")
}

#[test]
fn headings_and_lists_have_their_numbers() {
    let list = |number: u32, text: &str| {
        paragraph(
            &format!(r#"<w:numPr><w:ilvl w:val="0"/><w:numId w:val="{number}"/></w:numPr>"#),
            text,
        )
    };
    let body = [
        paragraph(r#"<w:pStyle w:val="T1"/>"#, "총칙 ... 3"),
        paragraph(r#"<w:pStyle w:val="1"/>"#, "총칙"),
        paragraph(r#"<w:pStyle w:val="2"/>"#, "목적"),
        paragraph(r#"<w:pStyle w:val="2"/><w:numPr><w:numId w:val="0"/></w:numPr>"#, "번호 없음"),
        list(2, "하나"),
        list(2, "둘"),
        list(3, "다시"),
        paragraph(r#"<w:outlineLvl w:val="2"/>"#, "직접"),
    ];
    assert_eq!(
        read(&body.concat()),
        ["# 제3장 총칙\n\n## 3.1 목적\n\n## 번호 없음\n\n가. 하나\n나. 둘\n가. 다시\n\n### 직접"]
    );
}

#[test]
fn what_a_reader_does_not_see_is_left_out() {
    let body = r#"<w:p><w:pPr><w:pPrChange><w:pPr><w:pStyle w:val="1"/></w:pPr></w:pPrChange></w:pPr>
        <w:r><w:t xml:space="preserve">활하중은 </w:t></w:r><w:ins><w:r><w:t>2.5</w:t></w:r></w:ins>
        <w:del><w:r><w:delText>2.0</w:delText></w:r></w:del><w:moveFrom><w:r><w:t>옛것</w:t></w:r></w:moveFrom>
        <w:r><w:rPr><w:vanish/></w:rPr><w:t>숨김</w:t></w:r><w:r><w:instrText>PAGE</w:instrText></w:r>
        <w:r><w:tab/><w:t>kN/m²</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r></w:p>"#;
    assert_eq!(read(body), ["활하중은 2.5 kN/m²[^1]\n\n[^1]: 건축구조기준"]);
}

#[test]
fn tables_text_boxes_and_pages() {
    let cell = |text: &str| format!("<w:tc>{}</w:tc>", paragraph("", text));
    let row = |cells: &[&str]| {
        format!("<w:tr>{}</w:tr>", cells.iter().map(|text| cell(text)).collect::<String>())
    };
    let body = [
        "<w:tbl>".to_owned(),
        row(&["용도", "하중"]),
        row(&["사무실", "2.5"]),
        "</w:tbl>".to_owned(),
        r#"<w:p><w:r><w:t>앞</w:t><mc:AlternateContent xmlns:mc="m"><mc:Choice><w:txbxContent><w:p><w:r><w:t>상자</w:t></w:r></w:p></w:txbxContent></mc:Choice><mc:Fallback><w:p><w:r><w:t>둘째 모습</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent><w:t>뒤</w:t><w:br w:type="page"/></w:r></w:p>"#.to_owned(),
        "<w:p><w:r><w:lastRenderedPageBreak/><w:t>둘째 쪽</w:t></w:r></w:p>".to_owned(),
        paragraph("<w:pageBreakBefore/>", "셋째 쪽"),
        paragraph(r#"<w:sectPr><w:type w:val="continuous"/></w:sectPr>"#, "이어짐"),
        paragraph("<w:sectPr/>", "구역 끝"),
        paragraph("", "넷째 쪽"),
    ];
    assert_eq!(
        read(&body.concat()),
        [
            "용도 하중\n사무실 2.5\n\n앞뒤\n\n상자",
            "둘째 쪽",
            "셋째 쪽\n\n이어짐\n\n구역 끝",
            "넷째 쪽"
        ]
    );
}

#[test]
fn broken_files_are_told() {
    for (parts, told) in [
        (&[("word/document.xml", "<w:document><w:body>")][..], "ends before"),
        (&[("word/document.xml", "\u{FEFF}<a></b>")], "word/document.xml"),
        (&[("word/other.xml", "<a/>")], "without its text"),
    ] {
        let bytes = zip(parts);
        let failure = pages(&mut Archive::open(&bytes).unwrap()).unwrap_err();
        assert!(failure.message.contains(told), "{failure}");
        assert!(!failure.hints.is_empty());
    }
}

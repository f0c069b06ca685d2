use super::super::archive::tests::zip;
use super::*;

const HEADER: &str = r#"<hh:head xmlns:hh="h"><hh:refList><hh:numberings><hh:numbering id="1">
<hh:paraHead start="1" level="1" numFormat="DIGIT">제^1장</hh:paraHead><hh:paraHead start="1" level="2" numFormat="HANGUL_SYLLABLE">^2.</hh:paraHead>
</hh:numbering></hh:numberings><hh:paraProperties>
<hh:paraPr id="0"><hh:heading type="NONE" idRef="0" level="0"/></hh:paraPr>
<hh:paraPr id="1"><hh:heading type="OUTLINE" idRef="0" level="0"/></hh:paraPr>
<hh:paraPr id="2"><hh:heading type="NUMBER" idRef="1" level="1"/></hh:paraPr>
<hh:paraPr id="3"><hh:heading type="BULLET" idRef="1" level="0"/></hh:paraPr>
<hh:paraPr id="4"><hh:heading type="NONE"/><hh:breakSetting pageBreakBefore="1"/></hh:paraPr>
</hh:paraProperties><hh:styles><hh:style id="0" engName="Normal"/><hh:style id="7" engName="Outline 2"/><hh:style id="8" engName="TOC 1"/></hh:styles></hh:refList></hh:head>"#;

fn read(sections: &[&str]) -> Vec<String> {
    let mut parts = vec![("mimetype".to_owned(), "application/hwp+zip".to_owned())];
    parts.push(("Contents/header.xml".to_owned(), HEADER.to_owned()));
    for (number, body) in sections.iter().enumerate() {
        let xml = format!(
            r#"<hs:sec xmlns:hs="s" xmlns:hp="p"><hp:p paraPrIDRef="0"><hp:run><hp:secPr outlineShapeIDRef="1"><hp:t>설정</hp:t></hp:secPr></hp:run></hp:p>{body}</hs:sec>"#
        );
        parts.push((format!("Contents/section{number}.xml"), xml));
    }
    let parts: Vec<_> = parts.iter().map(|(name, xml)| (name.as_str(), xml.as_str())).collect();
    let bytes = zip(&parts);
    let mut archive = Archive::open(&bytes).unwrap();
    pages(&mut archive).unwrap().into_iter().map(|page| page.text).collect()
}

fn paragraph(shape: u32, attributes: &str, inside: &str) -> String {
    format!(r#"<hp:p paraPrIDRef="{shape}" {attributes}><hp:run>{inside}</hp:run></hp:p>"#)
}

fn lines(heights: &[i64]) -> String {
    let lines: String = heights
        .iter()
        .map(|height| [r#"<hp:lineseg vertpos=""#, &height.to_string(), r#""/>"#].concat())
        .collect::<Vec<_>>()
        .concat();
    format!("</hp:run><hp:linesegarray>{lines}</hp:linesegarray><hp:run>")
}

#[test]
fn headings_and_lists_have_their_numbers() {
    let body = [
        paragraph(0, r#"styleIDRef="8""#, "<hp:t>총칙 3</hp:t>"),
        paragraph(1, "", "<hp:t>총칙</hp:t>"),
        paragraph(1, "", "<hp:t/>"),
        paragraph(0, r#"styleIDRef="7""#, "<hp:t>목적</hp:t>"),
        paragraph(2, "", "<hp:t>항목</hp:t>"),
        paragraph(3, "", "<hp:t>점</hp:t>"),
    ];
    assert_eq!(read(&[&body.concat()]), ["# 제1장 총칙\n\n## 가. 목적\n\n나. 항목\n- 점"]);
}

#[test]
fn what_hangs_on_a_paragraph_has_its_place() {
    let inner = |text: &str| paragraph(0, "", &format!("<hp:t>{text}</hp:t>"));
    let cell = |text: &str| format!("<hp:tc><hp:subList>{}</hp:subList></hp:tc>", inner(text));
    let body = [
        paragraph(
            0,
            "",
            &format!(
                r#"<hp:t>활하중</hp:t><hp:ctrl><hp:footNote><hp:subList><hp:p><hp:run><hp:ctrl><hp:autoNum num="1"/></hp:ctrl><hp:t>기준</hp:t></hp:run></hp:p></hp:subList></hp:footNote></hp:ctrl><hp:t>은<hp:tab/>2.5<hp:deleteBegin/>2.0<hp:deleteEnd/> kN</hp:t><hp:ctrl><hp:header><hp:subList>{}</hp:subList></hp:header></hp:ctrl><hp:rect><hp:drawText><hp:subList>{}</hp:subList></hp:drawText><hp:shapeComment>사각형</hp:shapeComment></hp:rect>"#,
                inner("머리말"),
                inner("상자"),
            ),
        ),
        paragraph(
            0,
            "",
            &format!(
                r#"<hp:tbl><hp:caption><hp:subList><hp:p><hp:run><hp:t>표 </hp:t><hp:ctrl><hp:autoNum num="1"/></hp:ctrl></hp:run></hp:p></hp:subList></hp:caption><hp:tr>{}{}</hp:tr><hp:tr>{}{}</hp:tr></hp:tbl><hp:t>다음</hp:t>"#,
                cell("용도"),
                cell("하중"),
                cell("사무실"),
                cell("2.5"),
            ),
        ),
        paragraph(0, "", "<hp:equation><hp:script>V = C W</hp:script></hp:equation>"),
    ];
    assert_eq!(
        read(&[&body.concat()]),
        [
            "활하중[^1]은 2.5 kN\n\n상자\n\n표 1\n\n용도 하중\n사무실 2.5\n\n다음\n\nV = C W\n\n[^1]: 기준"
        ]
    );
}

#[test]
fn pages_are_those_of_the_last_layout() {
    let text = |text: &str, heights: &[i64]| {
        paragraph(0, "", &format!("<hp:t>{text}</hp:t>{}", lines(heights)))
    };
    let body = [
        text("첫 쪽", &[0, 1600]),
        text("걸친 문단", &[60_000, 0, 1600]),
        text("둘째 쪽", &[3200]),
        text("셋째 쪽", &[0]),
        paragraph(0, r#"pageBreak="1""#, &format!("<hp:t>넷째 쪽</hp:t>{}", lines(&[0]))),
        paragraph(4, "", &format!("<hp:t>다섯째 쪽</hp:t>{}", lines(&[0]))),
    ];
    assert_eq!(
        read(&[&body.concat(), &text("여섯째 쪽", &[0])]),
        ["첫 쪽\n\n걸친 문단", "둘째 쪽", "셋째 쪽", "넷째 쪽", "다섯째 쪽", "여섯째 쪽"]
    );
}

#[test]
fn locked_and_empty_files_are_told() {
    for (parts, told) in [
        (&[("META-INF/manifest.xml", "<encryption-data/>")][..], "password"),
        (&[("Contents/header.xml", "<a/>")], "without its text"),
        (&[("Contents/header.xml", "<a"), ("Contents/section0.xml", "<a/>")], "header.xml"),
    ] {
        let bytes = zip(parts);
        let failure = pages(&mut Archive::open(&bytes).unwrap()).unwrap_err();
        assert!(failure.message.contains(told), "{failure}");
        assert!(!failure.hints.is_empty());
    }
}

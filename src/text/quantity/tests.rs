use super::*;

mod sources;

/// Amounts and names of a text: value and unit, "n" before names, "m" before marks, "w" before words.
fn shown(text: &str) -> Vec<String> {
    quantities(text)
        .iter()
        .map(|quantity| {
            let mark = match quantity.role {
                Role::Amount => "",
                Role::Name => "n",
                Role::Mark => "m",
                Role::Word => "w",
            };
            let unit = quantity.unit.as_ref().map_or("", |unit| &unit.written);
            format!("{mark}{}{unit}", quantity.value)
        })
        .collect()
}

#[test]
fn numbers_and_units_are_read() {
    let cases: [(&str, &[&str]); 26] = [
        ("등분포 활하중은 2.5kN/m²로 한다", &["2.5kN/m2"]),
        ("2.50 kN/㎡ 이상, ５００ ㎜", &["2.5kN/m2", "500mm"]),
        ("30일 이내에 1,500만원을", &["30일", "15000000원"]),
        ("3만 5천원, 5백만 원, 3천5백만원", &["35000원", "5000000원", "35000000원"]),
        ("3개월 또는 0.5 %", &["3개월", "0.5%"]),
        ("50 percent of 10 metres", &["50percent", "10metres"]),
        ("5 of 7 beams, 24 MPa.", &["5", "7", "24MPa"]),
        ("clause 3.2.1 (007)", &["n3.2", "m7"]),
        ("1,2,3과 1,000,000", &["1", "2", "3", "1000000"]),
        ("삼십오 명, 백이십 명", &["35명", "120명"]),
        ("삼십일 이내에", &["30일"]),
        ("스물다섯 명과 서른 개", &["25명", "30개"]),
        ("두 가지, 세 명", &["w2가지", "w3명"]),
        ("백분의 이십, 3분의 1", &["0.2분의", "0.3333333333333333분의"]),
        ("100분의 20을", &["0.2분의"]),
        ("ten percent, twenty-five days", &["10percent", "25days"]),
        ("제3조제2항, 표 4.1", &["m3", "m2", "m4.1"]),
        ("D32 철근, KDS 41 17 00, 2024-01-15", &["n32", "n41", "n17", "n0", "n2024", "n1", "n15"]),
        ("1. 신청\n2) 심사", &["m1", "m2"]),
        ("이 사람은 오 과장, 만일 일이 나면", &["w2사람"]),
        ("구조물의 이십 년", &["20년"]),
        ("35℃, 35도", &["35°C", "35도"]),
        ("10²", &["10", "n2"]),
        ("2 일반 사항", &["2"]),
        ("3조 5천억원", &["3500000000000원"]),
        ("10-20 mm", &["10", "20mm"]),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn spans_are_of_the_text_as_it_was() {
    let text = "활하중은 ５.0 kN/㎡ 이상";
    let found = quantities(text);
    assert_eq!(found[0].span.of(text), "５.0 kN/㎡");
}

#[test]
fn an_answer_may_only_use_figures_of_its_source() {
    for (answer, question, source, right) in [
        ("2.5 kN/m²이다.", "", "활하중은 2.5kN/㎡로 한다.", true),
        ("2.5 MPa이다.", "", "활하중은 2.5kN/㎡로 한다.", false),
        ("3.5 kN/m²이다.", "", "활하중은 2.5kN/㎡로 한다.", false),
        ("25 kN/m²이다.", "", "활하중은 2.5kN/㎡로 한다.", false),
        ("2.5 kPa이다.", "", "활하중은 2.5kN/㎡로 한다.", true),
        ("2.5이다.", "활하중은?", "활하중은 2.5kN/㎡로 한다.", false),
        ("2.5이다.", "활하중은 몇 kN/m²인가?", "활하중은 2.5kN/㎡로 한다.", true),
        ("30일 안에 신고한다.", "", "30일 이내에 신고", true),
        ("30개월 안에 신고한다.", "", "30일 이내에 신고", false),
        ("There are 2 kinds.", "", "dead load and live load", true),
        ("There are 20 kinds.", "", "dead load and live load", false),
        ("Class 12 applies.", "", "class 12 of the table", true),
        ("It is 1500 mm.", "", "a width of 1,500 mm", true),
        ("It is 1.5 m.", "", "a width of 1,500 mm", true),
        ("It is 50%.", "", "fifty percent", true),
        ("2.5 kN/m²이다.", "", "용도 | 활하중 (kN/m²)\n사무실 | 2.5", true),
        ("No figures.", "", "", true),
        // Factors of a formula, and units left out where numbers are worked with.
        ("활하중에는 0.70을 곱한다.", "", "1.25D + 1.50S + 0.70L", true),
        ("처짐은 L/420이다.", "", "바닥보 L/420 L/500", true),
        ("처짐은 L/500이다.", "", "바닥보 L/420 L/500", true),
        ("1.40×500 = 700 kN·m", "전도모멘트가 500 kN·m이면?", "전도모멘트의 1.40배 이상", true),
        ("1.40×500 = 750 kN·m", "전도모멘트가 500 kN·m이면?", "전도모멘트의 1.40배 이상", false),
        ("25×0.06이다.", "폭이 25 m이면?", "폭의 6 %로 한다.", true),
        ("25×0.07이다.", "폭이 25 m이면?", "폭의 6 %로 한다.", false),
        ("활하중은 3.5이다.", "", "활하중은 3.5 kN/m²로 한다.", false),
    ] {
        assert_eq!(missing(answer, question, source).is_empty(), right, "{answer} / {source}");
    }
}

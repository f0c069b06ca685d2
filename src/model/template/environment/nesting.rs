//! A bound on how deeply values of a template nest.
//!
//! Values are written, compared and dropped by recursion, so a template that puts a namespace into itself, or a
//! list into a list time and again, would end the program by its stack. Whatever grows has to be kept, and only
//! `set` keeps values: what is assigned goes through [`named`] or [`inside`].

use minijinja::value::{DynObject, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// Name of the filter [`named`] in templates.
pub(super) const NAMED: &str = "hone_bounded";
/// Name of the filter [`inside`].
pub(super) const INSIDE: &str = "hone_bounded_inside";

/// Levels that a value may have. JSON schemas of tools have some ten.
const DEPTH: usize = 64;
/// Values in it that are looked at: what is shared in several places counts in each.
const VALUES: usize = 1_000_000;

/// Sends what each `{% set x = .. %}` assigns through a filter. Nothing else changes: no line, no white space outside of
/// tags, no text, no comment, nothing raw.
pub(super) fn guarded(source: &str) -> String {
    let mut result = String::with_capacity(source.len() + source.len() / 8);
    let mut rest = source;
    while let Some(start) = rest.find('{') {
        let (before, from) = rest.split_at(start);
        result.push_str(before);
        let length = match from.get(..2) {
            Some("{#") => from.find("#}").map(|at| at + 2),
            Some("{{") => end_of_tag(from, "}}"),
            Some("{%") => end_of_tag(from, "%}"),
            _ => Some(1),
        };
        // What does not end is the parser's to tell.
        let Some(length) = length else {
            rest = from;
            break;
        };
        let (tag, after) = from.split_at(length);
        match assignment(tag) {
            Some((target, value, end)) => {
                let filter = if target.contains('.') { INSIDE } else { NAMED };
                result.extend([target, "= (", value, ") | ", filter, " ", end]);
            }
            None => result.push_str(tag),
        }
        rest = after;
        if word(tag) == "raw" {
            let end = rest.match_indices("{%").find(|(at, _)| word(&rest[*at..]) == "endraw");
            let (raw, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
            result.push_str(raw);
            rest = after;
        }
    }
    result.push_str(rest);
    result
}

/// Bytes of a tag up to and with `close`, which does not count in a string.
fn end_of_tag(tag: &str, close: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, character) in tag.char_indices().skip(2) {
        if let Some(open) = quote {
            if escaped {
                escaped = false;
            } else if character == '\\' {
                escaped = true;
            } else if character == open {
                quote = None;
            }
        } else if character == '"' || character == '\'' {
            quote = Some(character);
        } else if tag[at..].starts_with(close) {
            return Some(at + close.len());
        }
    }
    None
}

/// The first word of a `{% .. %}`; empty for anything else.
fn word(tag: &str) -> &str {
    let inside = tag.strip_prefix("{%").unwrap_or_default();
    let inside = inside.strip_prefix(['-', '+']).unwrap_or(inside).trim_start();
    let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &inside[..end.unwrap_or(inside.len())]
}

/// `{% set x`, what stands right of the equals sign, and `%}`, of a tag that assigns.
fn assignment(tag: &str) -> Option<(&str, &str, &str)> {
    let equals = (word(tag) == "set").then(|| tag.find('='))??;
    let (target, value) = (&tag[..equals], tag[equals + 1..].strip_suffix("%}")?);
    let value = value.strip_suffix(['-', '+']).unwrap_or(value);
    // A filter of `{% set x | f(a=1) %}` is no assignment.
    let names = !target.contains(['|', '"', '\'']);
    names.then_some((target, value, &tag[equals + 1 + value.len()..]))
}

/// The value, if it nests no deeper than [`DEPTH`] levels. What can be iterated over only once becomes a list.
pub(super) fn named(value: Value) -> Result<Value, Error> {
    bounded(value, true)
}

/// As [`named`], for what is put into a namespace: no namespace may be in it, or it could come to be in itself.
pub(super) fn inside(value: Value) -> Result<Value, Error> {
    bounded(value, false)
}

fn bounded(value: Value, namespaces: bool) -> Result<Value, Error> {
    let value =
        if is_one_way(&value) { Value::from(value.try_iter()?.collect::<Vec<_>>()) } else { value };
    let mut left = VALUES;
    check(&value, namespaces, DEPTH, &mut left)?;
    Ok(value)
}

fn check(value: &Value, namespaces: bool, depth: usize, left: &mut usize) -> Result<(), Error> {
    if !namespaces && value.as_object().is_some_and(is_namespace) {
        return Err(refused("a namespace is kept inside of a namespace"));
    }
    let is_map = value.kind() == ValueKind::Map;
    if !is_map && !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Ok(());
    }
    if depth == 0 || *left == 0 {
        return Err(refused(&format!("values nest deeper than {DEPTH} levels")));
    }
    if is_one_way(value) {
        return Err(refused("an iterator is kept inside of another value"));
    }
    for item in value.try_iter()? {
        *left = left.saturating_sub(1);
        let item = if is_map { value.get_item(&item)? } else { item };
        check(&item, namespaces, depth - 1, left)?;
    }
    Ok(())
}

/// Whether a value can be iterated over only once.
fn is_one_way(value: &Value) -> bool {
    value.kind() == ValueKind::Iterable && value.len().is_none()
}

fn is_namespace(object: &DynObject) -> bool {
    object.type_name().ends_with("::Namespace")
}

fn refused(what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::python_like;
    use super::*;

    fn render(source: &str) -> Result<String, Error> {
        let mut environment = python_like();
        environment.add_template_owned("x", guarded(source))?;
        environment.get_template("x")?.render(())
    }

    #[test]
    fn only_assignments_are_changed() {
        let same = "{# {% set a = 1 %} #}{% raw %}{% set a = 1 %}{% endraw %}{{ '{% set a = 1 %}' }} { \n{% set a %}x{% endset %}\
                    {% set b | replace('a=', '') %}{% endset %}{%- if a == '%}' -%}{% endif %}{{ x";
        assert_eq!(guarded(same), same);
        for (source, want) in [
            ("{%- set a.b = x -%}", "{%- set a.b = ( x ) | hone_bounded_inside -%}"),
            ("{% set a, b='%}',\n1+%}", "{% set a, b= ('%}',\n1) | hone_bounded +%}"),
            ("{%set a=b==c%}", "{%set a= (b==c) | hone_bounded %}"),
        ] {
            assert_eq!(guarded(source), want);
        }
    }

    #[test]
    fn templates_mean_what_they_meant() {
        let source = "{% set ns = namespace(n=0, found=none) %}{% set d = {'a': [1, {'b': 2}], 'c': ()} %}\
            {% for k, v in d.items() %}{% set ns.n = ns.n + 1 %}{% set ns.found = v %}{% endfor %}\
            {%- set x, y = ns.n, missing -%}{% set z = 'no' if x == 1 else d.items() %}{% set r = range(3) %}\
            {{ x }} {{ y is undefined }} {{ z | length }} {{ ns.found }} {{ r | list }} {% set w %}w{% endset %}{{ w }}";
        let mut environment = python_like();
        environment.add_template_owned("plain", source).unwrap();
        let plain = environment.get_template("plain").unwrap().render(()).unwrap();
        assert_eq!(render(source).unwrap(), plain);
        assert!(plain.starts_with("2 "), "{plain}");
    }

    #[test]
    fn what_nests_without_end_is_refused_where_it_is_kept() {
        let straight =
            format!("{{% set x = 1 %}}{}{{{{ x }}}}", "{% set x = [x] %}".repeat(20_000));
        let items = "{% set ns = namespace(t={'a': 1}) %}{% for i in range(50000) %}\
                     {% set ns.t = {'a': ns.t | items} %}{% endfor %}{{ ns.t }}";
        for source in [
            "{% set ns = namespace(t='ab') %}{% set ns.t = ns %}{{ ns.t ~ ns.t }}{{ ns.t }}",
            "{% set ns = namespace(t='ab') %}{% set ns.t = {'a': [ns]} %}{{ ns }}",
            "{% set ns = namespace(t=[]) %}{% set x = [ns] %}{% set ns.t = x %}{{ x }}",
            "{% set ns = namespace(t=0) %}{% for i in range(50000) %}{% set ns.t = [ns.t] %}{% endfor %}{{ ns.t }}",
            "{% set a = namespace(t=0) %}{% for i in range(50000) %}{% set b = namespace(t=[a.t]) %}\
             {% set a.t = b.t %}{% endfor %}{{ a.t }}",
            items,
            &straight,
        ] {
            let error = render(source).unwrap_err();
            let told = error.detail().unwrap_or_default();
            assert!(
                told.contains("nest deeper") || told.contains("kept inside"),
                "{source:.90}: {error}"
            );
        }
    }
}

//! A bound on how deeply values of a template nest.
//!
//! Values are written, compared and dropped by recursion, so a template that puts a namespace into itself, or a
//! list into a list time and again, would end the program by its stack. Whatever grows has to be given a name on its
//! way: by `set`, or, where a macro or a loop calls itself, by their variables. What gets a name goes through [`named`],
//! what is put into a namespace through [`inside`].

use minijinja::value::{DynObject, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

/// Name of the filter [`named`] in templates.
pub(super) const NAMED: &str = "hone_bounded";
/// Name of the filter [`inside`].
pub(super) const INSIDE: &str = "hone_bounded_inside";

/// Levels that a value may have. JSON schemas of tools have some ten.
const DEPTH: usize = 64;
/// Values that are looked at for a unit of fuel: what is shared in several places, or named several times, counts each time.
const VALUES: usize = 16;

/// Sends what each `{% set x = .. %}` assigns through a filter, and what the variables of macros, call blocks and loops are
/// by a `set` right behind their tag. Nothing else changes: no line, no white space outside of tags, no text, no
/// comment, nothing raw.
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
        let close = tag.strip_suffix("%}").unwrap_or(tag);
        // White space behind the last tag is kept or not as behind the only one before.
        let mark = &close[close.trim_end_matches(['-', '+']).len()..];
        let names = variables(tag);
        for (at, name) in names.iter().enumerate() {
            let mark = if at + 1 == names.len() { mark } else { "" };
            result.extend(["{% set ", name, " = (", name, ") | ", NAMED, " ", mark, "%}"]);
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

/// The names that a macro, a call block or a loop gives.
fn variables(tag: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let kind = word(tag);
    if kind == "for" {
        let words = tag.split(|c| !is_name(c)).filter(|word| !word.is_empty()).skip(1);
        return words.take_while(|word| *word != "in").collect();
    }
    if kind != "macro" && kind != "call" {
        return Vec::new();
    }
    // `macro f(..)`, but of `call(..) f(..)` the first list only, and none of `call f(..)`.
    let Some((head, list)) = tag.split_once('(') else { return Vec::new() };
    if kind == "call" && !head.trim_end().ends_with("call") {
        return Vec::new();
    }
    let (mut names, mut depth, mut quote, mut is_first) = (Vec::new(), 0, None, true);
    for (at, c) in list.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, ')') if depth == 0 => break,
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => is_first = true,
            (None, _) if is_first && is_name(c) => {
                let name = &list[at..];
                names.push(&name[..name.find(|c| !is_name(c)).unwrap_or(name.len())]);
                is_first = false;
            }
            _ => {}
        }
    }
    names
}

/// The value, if it nests no deeper than [`DEPTH`] levels. What can be iterated over only once becomes a list.
pub(super) fn named(state: &State, value: Value) -> Result<Value, Error> {
    bounded(state, value, true)
}

/// As [`named`], for what is put into a namespace: no namespace may be in it, or it could come to be in itself.
pub(super) fn inside(state: &State, value: Value) -> Result<Value, Error> {
    bounded(state, value, false)
}

fn bounded(state: &State, value: Value, namespaces: bool) -> Result<Value, Error> {
    let value =
        if is_one_way(&value) { Value::from(value.try_iter()?.collect::<Vec<_>>()) } else { value };
    let mut looked = 0_usize;
    check(&value, namespaces, DEPTH, &mut || {
        looked += 1;
        if looked.is_multiple_of(VALUES) { state.consume_fuel(1) } else { Ok(()) }
    })?;
    Ok(value)
}

fn check(
    value: &Value,
    namespaces: bool,
    depth: usize,
    look: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<(), Error> {
    if !namespaces && value.as_object().is_some_and(is_namespace) {
        return Err(refused("a namespace is kept inside of a namespace"));
    }
    let is_map = value.kind() == ValueKind::Map;
    if !is_map && !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Ok(());
    }
    if depth == 0 {
        return Err(refused(&format!("values nest deeper than {DEPTH} levels")));
    }
    if is_one_way(value) {
        return Err(refused("an iterator is kept inside of another value"));
    }
    for item in value.try_iter()? {
        look()?;
        let item = if is_map { value.get_item(&item)? } else { item };
        check(&item, namespaces, depth - 1, look)?;
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
        let same = "{% macro f() %}{% endmacro %}{% call f(x) %}{% endcall %}{# {% set a = 1 %} #}{% raw %}{% set a = 1 %}{% endraw %}{{ '{% set a = 1 %}' }} { \n{% set a %}x{% endset %}\
                    {% set b | replace('a=', '') %}{% endset %}{%- if a == '%}' -%}{% endif %}{{ x";
        assert_eq!(guarded(same), same);
        for (source, want) in [
            ("{%- set a.b = x -%}", "{%- set a.b = ( x ) | hone_bounded_inside -%}"),
            ("{% set a, b='%}',\n1+%}", "{% set a, b= ('%}',\n1) | hone_bounded +%}"),
            ("{%set a=b==c%}", "{%set a= (b==c) | hone_bounded %}"),
            (
                "{%- macro f(a, b=[1, ')'], c='(') -%} x",
                "{%- macro f(a, b=[1, ')'], c='(') -%}{% set a = (a) | hone_bounded %}\
                 {% set b = (b) | hone_bounded %}{% set c = (c) | hone_bounded -%} x",
            ),
            ("{% call(a) f(b) %}x", "{% call(a) f(b) %}{% set a = (a) | hone_bounded %}x"),
            (
                "{% for k, v in d.items() if v %}x",
                "{% for k, v in d.items() if v %}{% set k = (k) | hone_bounded %}{% set v = (v) | hone_bounded %}x",
            ),
        ] {
            assert_eq!(guarded(source), want);
        }
    }

    #[test]
    fn templates_mean_what_they_meant() {
        let source = "{% set ns = namespace(n=0, found=none) %}{% set d = {'a': [1, {'b': 2}], 'c': ()} %}\
            {% for k, v in d.items() %}{% set ns.n = ns.n + 1 %}{% set ns.found = v %}{% endfor %}\
            {%- set x, y = ns.n, missing -%}{% set z = 'no' if x == 1 else d.items() %}{% set r = range(3) %}\
            {% macro m(a, b, c=[1]) -%} {{ a }}{{ b is defined }}{{ c }} {%- endmacro %}{{ m([2]) }}\n\
            {% for i in [1, [2]] recursive %}\n  {{ i }}{% if i is iterable %}{{ loop(i) }}{% endif %}\n{% endfor %}\n\
            {% macro w() %}<{{ caller('q') }}>{% endmacro %}{% call(t) w() %}\n {{ t }}{% endcall %}\n\
            {{ x }} {{ y is undefined }} {{ z | length }} {{ ns.found }} {{ r | list }} {% set w %}w{% endset %}{{ w }}";
        let mut environment = python_like();
        environment.add_template_owned("plain", source).unwrap();
        let plain = environment.get_template("plain").unwrap().render(()).unwrap();
        assert_eq!(render(source).unwrap(), plain);
        assert!(plain.contains("2 True 2 ()"), "{plain}");
    }

    #[test]
    fn looking_at_what_is_kept_costs_fuel() {
        let each = |name: &str| {
            let source = format!(
                "{{% set many = range(9999) | list %}}{{% for i in range(9999) %}}{{% set x = {name} %}}{{% endfor %}}"
            );
            render(&source)
        };
        assert_eq!(each("i").unwrap(), "");
        let error = each("many").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfFuel, "{error}");
    }

    #[test]
    fn what_nests_without_end_is_refused_where_it_is_kept() {
        let straight =
            format!("{{% set x = 1 %}}{}{{{{ x }}}}", "{% set x = [x] %}".repeat(20_000));
        let (open, close) = ("[".repeat(60), "]".repeat(60));
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
            &format!(
                "{{% macro f(x, n) %}}{{% if n %}}{{{{ f({open}x{close}, n - 1) }}}}{{% else %}}{{{{ x }}}}{{% endif %}}\
                 {{% endmacro %}}{{{{ f(1, 60) }}}}"
            ),
            &format!(
                "{{% for x in [1] recursive %}}{{{{ loop([{open}x{close}]) }}}}{{% endfor %}}"
            ),
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

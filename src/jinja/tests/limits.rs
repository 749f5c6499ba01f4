//! Templates that want too much: nesting, rows, memory, time, words.

use std::time::{Duration, Instant};

use super::rendered;

/// A template that asks for too much ends soon, in one sentence with these words.
fn check_refused(template: &str, words: &str) {
    let start = Instant::now();
    let begins: String = template.chars().take(80).collect();
    let why = rendered(template).expect_err(&begins);
    assert!(why.contains(words), "{begins}: {why}");
    assert!(why.len() < 1000 && !why.contains('\n'), "{begins}: {why}");
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "{begins}: {took:?}");
}

/// A part, again and again between two others.
fn many(before: &str, part: &str, n: usize, after: &str) -> String {
    format!("{before}{}{after}", part.repeat(n))
}

#[test]
fn rows_of_operators_are_bounded() {
    for part in ["1 + ", "1 * ", "1 ** ", "1 and ", "0 or "] {
        check_refused(&many("{{ ", part, 20_000, "1 }}"), "operations in a row");
    }
    for (first, part) in [
        ("x", ".a"),
        ("x", "[0]"),
        ("x", "()"),
        ("x", " | upper"),
        ("1", " is odd | d"),
    ] {
        let template = many(&format!("{{{{ {first}"), part, 20_000, " }}");
        check_refused(&template, "operations in a row");
    }
    for part in [" if 1", " if not 1"] {
        check_refused(&many("{{ 1", part, 20_000, " }}"), "operations in a row");
    }
}

#[test]
fn nesting_is_bounded() {
    for part in ["not ", "- ", "+ ", "1 if 1 else "] {
        check_refused(&many("{{ ", part, 20_000, "1 }}"), "deep");
    }
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{1: ", "}"),
        ("x(", ")"),
        ("x[", "]"),
        ("x[:", "]"),
        ("x is odd(", ")"),
        ("x | d(", ")"),
        ("x(a=", ")"),
        ("x(*", ")"),
        ("(1, ", ")"),
    ] {
        let closed = format!("1{} }}}}", close.repeat(20_000));
        check_refused(&many("{{ ", open, 20_000, &closed), "deep");
    }
    for part in [
        "{% if 1 %}",
        "{% for i in [1] %}",
        "{% set x %}",
        "{% macro m() %}",
        "{% call m() %}",
        "{% filter upper %}",
        "{% with %}",
        "{% generation %}",
        "{% if 1 %}{% else %}",
        "{% for i in [] %}{% else %}",
    ] {
        check_refused(&many("", part, 20_000, ""), "deep");
    }
    let closed = format!("a{} = 1 %}}", ")".repeat(20_000));
    check_refused(&many("{% set ", "(", 20_000, &closed), "deep");
    let closed = format!("a{} in [] %}}", ")".repeat(20_000));
    check_refused(&many("{% for ", "(", 20_000, &closed), "deep");
}

#[test]
fn many_arms_and_long_lists_are_no_nesting() {
    let arms = many(
        "{% if 0 %}",
        "{% elif 0 %}",
        80_000,
        "{% else %}a{% endif %}",
    );
    assert_eq!(rendered(&arms).unwrap(), "a");
    let list = many("{{ [", "0,", 200_000, "] | length }}");
    assert_eq!(rendered(&list).unwrap(), "200000");
    assert_eq!(rendered(&many("{{ 1", " < 2", 1, " }}")).unwrap(), "True");
    let texts = many("{{ (1", " ~ 1", 50_000, ") | length }}");
    assert_eq!(rendered(&texts).unwrap(), "50001");
}

/// A loop whose body makes `ns.x` anew.
fn grown(first: &str, next: &str) -> String {
    format!(
        "{{% set ns = namespace(x={first}, y=0) %}}{{% for i in range(20000) %}}{{% set ns.x = {next} %}}{{% endfor %}}{{{{ ns.x }}}}"
    )
}

#[test]
fn values_do_not_nest_without_end() {
    for next in [
        "[ns.x]",
        "(ns.x,)",
        "{'a': ns.x}",
        "dict(a=ns.x)",
        "[ns.x] | batch(1) | list",
        "[ns.x] | map('default')",
        "{'a': ns.x}.items()",
        "{'a': ns.x} | dictsort",
    ] {
        check_refused(&grown("0", next), "more than 100 deep");
    }
    let maps = format!("'upper'{}", ") | list }}".to_owned());
    check_refused(&many("{{ ['a'] | map(", "'map', ", 2000, &maps), "deep");
    assert_eq!(
        rendered("{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns.x }}").unwrap(),
        "[<Namespace>]",
        "a namespace that holds itself is left without being walked"
    );
}

#[test]
fn what_is_made_on_the_way_is_bounded() {
    for (first, next) in [
        ("'ab'", "ns.x + ns.x"),
        ("'ab'", "ns.x ~ ns.x"),
        ("'ab'", "ns.x * 2"),
        ("'ab'", "ns.x.replace('a', ns.x)"),
        ("'ab'", "ns.x | replace('b', ns.x)"),
        ("'ab'", "ns.x.join(['c', 'd', 'e'])"),
        ("'ab'", "[ns.x, ns.x] | join"),
        ("'ab'", "'%s%s' | format(ns.x, ns.x)"),
        ("'ab'", "'{0}{0}'.format(ns.x)"),
        ("'\"'", "ns.x | tojson"),
        ("'\"'", "[ns.x, ns.x] | tojson(indent=4)"),
        ("'&&'", "ns.x | escape"),
        ("'é'", "ns.x | urlencode"),
        ("'a\\nb'", "ns.x | indent(8) ~ ns.x"),
        ("[1, 2]", "ns.x + ns.x"),
        ("(1, 2)", "ns.x * 2"),
        ("[1, 2]", "ns.x | batch(1000000, 0) | list | first"),
        ("[1, 2]", "range(100000) | list + ns.x"),
        ("[1, 2]", "(ns.x | list + ns.x) | sort"),
        ("[1, 2]", "ns.x | map('string') | list + ns.x"),
        ("'ab'", "(ns.x ~ ns.x) | list | string"),
    ] {
        check_refused(&grown(first, next), "it ");
    }
}

#[test]
fn one_call_does_not_fill_the_memory() {
    for it in [
        "'a' * 10 ** 12",
        "[0] * 10 ** 12",
        "(0,) * 10 ** 30",
        "'a'.center(10 ** 12)",
        "'a'.ljust(10 ** 30)",
        "'a'.rjust(10 ** 12)",
        "'1'.zfill(10 ** 12)",
        "'\t'.expandtabs(10 ** 12)",
        "'a' | center(10 ** 12)",
        "'a\nb' | indent(10 ** 12)",
        "[1] | tojson(indent=10 ** 12)",
        "'%999999999999d' % 1",
        "'%*d' % (10 ** 12, 1)",
        "'{:>999999999999}'.format('a')",
        "'{:{}}'.format(1, 10 ** 12)",
        "[1] | batch(10 ** 12, 0) | list",
        "[1] | slice(10 ** 12) | list",
        "strftime_now('%A' * 10 ** 9)",
        "range(100000) | map('center', 10 ** 6) | list",
    ] {
        check_refused(&format!("{{{{ {it} }}}}"), "it makes more than 128 MB");
    }
    check_refused("{{ range(10 ** 12) }}", "a range of more than");
    check_refused("{{ 10 ** 10 ** 10 }}", "too large");
    assert!(rendered("{{ '%.999999999f' % 1 }}").unwrap().len() < 1000);
}

#[test]
fn what_does_not_end_is_stopped() {
    let endless = "it does not come to an end within 5 million steps";
    for it in [
        "{% set a = range(99999) | list %}{% for b in a %}{% for c in a %}{% endfor %}{% endfor %}",
        "{% set a = 'a' * 1000000 %}{% for i in range(99999) %}{% if 'b' in a %}{% endif %}{% endfor %}",
        "{% set a = range(99999) | list %}{% for i in a %}{% if -1 in a %}{% endif %}{% endfor %}",
        "{% set a = 'ab' * 1000000 %}{{ a.strip(a[1:] ~ 'c' ~ a) }}{% for i in range(99999) %}{{ a.count('c') }}{% endfor %}",
        "{{ range(99999) | unique | list }}",
    ] {
        check_refused(it, endless);
    }
    // Values that share their parts are small to hold and long to walk.
    let shared = |first: &str, next: &str, last: &str| {
        format!(
            "{{% set ns = namespace(x={first}, y={first}) %}}{{% for i in range(90) %}}{{% set ns.x = {next} %}}{{% set ns.y = {} %}}{{% endfor %}}{{{{ {last} }}}}",
            next.replace("ns.x", "ns.y")
        )
    };
    for (next, last) in [
        ("[ns.x, ns.x]", "ns.x == ns.y"),
        ("[ns.x, ns.x]", "ns.x < ns.y"),
        ("[ns.x, ns.x]", "ns.x in [ns.y]"),
        ("(ns.x, ns.x)", "{ns.x: 1}"),
        ("(ns.x, ns.x)", "[ns.x, ns.y] | unique | list"),
        ("{1: ns.x, 2: ns.x}", "ns.x == ns.y"),
        ("[ns.x, ns.x]", "[ns.x, ns.y] | sort"),
    ] {
        check_refused(&shared("1", next, last), endless);
    }
    for last in ["ns.x", "ns.x | tojson", "ns.x ~ ''", "'%s' % [ns.x]"] {
        check_refused(&shared("1", "[ns.x, ns.x]", last), "it ");
    }
    check_refused(
        "{% for a in range(9999) %}{{ 'x' * 9999 }}{% endfor %}",
        "it writes more than 16 MB",
    );
    for it in [
        "{% macro again(n) %}{{ again(n + 1) }}{% endmacro %}{{ again(0) }}",
        "{% macro again() %}{{ caller is defined }}{% call again() %}{% endcall %}{% endmacro %}{{ again() }}",
        "{% macro again(a=[again]) %}{{ a[0]() }}{% endmacro %}{% macro b() %}{{ [1] | map('string') | map('upper') | list ~ b() }}{% endmacro %}{{ b() }}",
        "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    ] {
        check_refused(it, "too deep");
    }
}

#[test]
fn sentences_stay_short_whatever_a_template_says() {
    let long = "a".repeat(200_000);
    for it in [
        format!("{{{{ {long}() }}}}"),
        format!("{{{{ raise_exception('{long}') }}}}"),
        format!("{{% {long} %}}"),
        format!("{{{{ 1 | {long} }}}}"),
        format!("{{{{ 1 is {long} }}}}"),
        format!("{{{{ x.{long}.a }}}}"),
        format!("{{{{ 1 '{long}' }}}}"),
        format!("{{% macro {long}() %}}{{% endmacro %}}{{{{ {long}(1) }}}}"),
        format!("{{{{ '%({long})s' % {{}} }}}}"),
        format!("{{{{ '{{:{long}}}'.format(1) }}}}"),
        format!("{{{{ range({long}=1) }}}}"),
        format!("{{{{ 'a'.upper({long}=1) }}}}"),
    ] {
        check_refused(&it, "");
    }
    let name = "a".repeat(1000);
    let kept = grown("[]", &format!("ns.x + [{{}}['{long}'], {name}]"));
    check_refused(&kept, "it ");
}

#[test]
fn a_template_may_not_be_longer_than_a_megabyte() {
    check_refused(&"a".repeat((1 << 20) + 1), "longer than 1 MB");
    assert!(rendered(&"a".repeat(1 << 20)).is_ok());
}

/// A template that asks for little in an odd way ends soon, with this text.
fn check_quick(template: &str, wanted: &str) {
    let start = Instant::now();
    assert_eq!(rendered(template).as_deref(), Ok(wanted), "{template}");
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "{template}: {took:?}");
}

#[test]
fn nothing_repeated_is_nothing() {
    for (nothing, wanted) in [("''", ""), ("[]", "[]"), ("()", "()")] {
        check_quick(&format!("{{{{ {nothing} * 10 ** 18 }}}}"), wanted);
    }
}

#[test]
fn what_is_looked_for_is_paid_for_too() {
    let memory = "128 MB";
    check_refused("{{ [1] | map(attribute='.' * 100000000) | list }}", memory);
    check_refused("{{ [1] | sort(attribute=',' * 100000000) }}", memory);
    let steps = "steps";
    for part in [
        "{% set b = 'ab' * 4000000 %}{% for i in range(99999) %}{{ 'x'.find(b) }}{% endfor %}",
        "{% set f = '%' ~ '-' * 8000000 ~ 'd' %}{% for i in range(99999) %}{{ f % 1 }}{% endfor %}",
        "{% set t = 'a' * 4000000 %}{% set q = ('a' * 3999999 ~ 'b',) * 50000 %}{% for i in range(50) %}{{ t.startswith(q) }}{% endfor %}",
        "{% set a = 'a' * 30000000 %}{% set b = 'a' * 30000000 %}{% for i in range(99999) %}{{ a is sameas b }}{% endfor %}",
    ] {
        check_refused(part, steps);
    }
}

#[test]
fn a_long_name_with_dots_is_read_in_one_go() {
    check_refused(&many("{{ x|", "a.", 500_000, "a }}"), "");
}

#[test]
fn a_recursive_loop_that_is_kept_finds_the_scope_it_was_made_in() {
    check_quick(
        "{% set ns = namespace(n=0) %}{% with %}{% with %}{% for x in [1] recursive %}{% set ns.l = loop %}{% set ns.n = ns.n + x %}{% endfor %}{% endwith %}{% endwith %}{{ ns.l([2, 3]) }}{{ ns.n }}",
        "6",
    );
}

#[test]
fn what_has_no_order_is_told_however_long_the_list() {
    check_refused(
        "{{ (range(30) | list + ['a'] + range(30) | list) | sort }}",
        "",
    );
    let numbers = "{% set x = 'nan' | float %}{{ ([3, x, 1, x, 2, x] * 20) | sort | length }}";
    check_quick(numbers, "120");
}

#[test]
fn numbers_at_the_end_of_their_range_end_in_a_sentence_or_a_number() {
    check_quick("{{ 170141183460469231731687303715884105727 % -3 }}", "-2");
    check_refused(
        "{{ 170000000000000000000000000000000000000 | round(-38) }}",
        "too large",
    );
}

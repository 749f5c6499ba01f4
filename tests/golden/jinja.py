#!/usr/bin/env python3
"""Records what jinja2 gives for the templates below, in tests/golden/jinja.json, which src/jinja/tests.rs replays.

    python3 -m venv venv && venv/bin/pip install jinja2
    venv/bin/python tests/golden/jinja.py

The environment is the one Transformers 5.23 makes for chat templates: jinja2's immutable sandbox, trim_blocks,
lstrip_blocks, the loop controls, a `generation` tag, `tojson` by json.dumps, raise_exception, strftime_now.
Made with jinja2 3.1.6 and Python 3.11. A record has `text`, or `error` where jinja2 raises; `ours` says what
src/jinja gives where that is something else on purpose.
"""

import datetime
import json
import pathlib

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

OUT = pathlib.Path(__file__).parent / "jinja.json"


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("passed"), [], [], body).set_lineno(line)

    @staticmethod
    def passed(caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


ENV = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
ENV.filters["tojson"] = tojson
ENV.globals["raise_exception"] = raise_exception
ENV.globals["strftime_now"] = lambda it: datetime.datetime.now().strftime(it)

GIVEN = dict(
    messages=[dict(role="system", content="Be brief."), dict(role="user", content=" Grüße,\n12 + 30? ")],
    tools=None, documents=None, add_generation_prompt=True, bos_token="<s>", eos_token="</s>",
)  # fmt: skip

# Each is put between {{ and }}.
EXPRESSIONS = r"""
none
None
true
True
false
x
x.y
x['y']
1.0
0.1
1e20
1e16
1e15
123456789.125
1e-5
0.0001
-0.0
100.0
3.0e-10
1_000
0x1f
0b101
0o17
10 ** 20
'a'
"it's"
['a', "it's", 'say "x"', "it's \"x\""]
['a\nb\t\\', 'é', '\x00', '\u200b', '😀']
[1, 2.5, none, true, 'x', [1], (1,), (1, 2), {}]
{'a': 1, 'b': [none], 3: 'c', none: 1.0}
()
(1,)
[]
{}
1, 2
[x]
1 + 2
1 + 2.0
true + 1
7 / 2
6 / 2
7 // 2
-7 // 2
7 // -2
7 % 3
-7 % 3
7 % -3
7.5 % 2
-7.5 % 2
7.5 // 2
-7.5 // 2
2 ** 3
2 ** -1
2 ** 3 ** 2
-2 ** 2
2 ** 0.5
1 / 0
1 % 0
1 // 0.0
'a' + 'b'
'a' + 1
1 + 'a'
none + 'a'
x + 'a'
'a' + x
[1] + [2]
(1,) + (2,)
[1] + (2,)
'ab' * 3
3 * 'ab'
[1] * 2
'ab' * -1
'a' * 1.5
-'a'
+true
-true
not 'a'
not x
'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1] ~ x
1 ~ 2
'a' 'b'
1 < 2 < 3
1 < 3 < 2
1 == 1.0
1 == true
'a' == 'a'
'a' == 1
none == false
[1, 2] == [1, 2]
[1] == (1,)
{'a': 1} == {'a': 1.0}
x == none
x == y
x != 1
'a' < 'b'
[1, 2] < [1, 3]
1 < 'a'
none < 1
x < 1
'a' in 'abc'
'' in 'abc'
1 in [1, 2]
1.0 in [1]
'a' in {'a': 1}
1 in 'abc'
1 in none
1 in x
none in [none]
'a' not in 'abc'
not 1 in [1]
'role' in messages[0]
'x' and 'y'
'' or 'y'
none or x
0 and 1 / 0
'a' if true
'a' if false
'a' if false else 'b'
1 if x else 2 if x else 3
'abcdef'[1:3]
'abcdef'[-2:]
'abcdef'[::-1]
'abcdef'[::2]
'abcdef'[10:]
'abcdef'[-100:2]
'grüße'[2:4]
'grüße'[2]
'abc'[5]
'abc'[-1]
'abc'[::0]
[1, 2, 3][1:]
[1, 2, 3][::-1]
[1, 2, 3][-1]
[1, 2, 3][5]
[1, 2, 3][:-1][0]
(1, 2, 3)[1:]
messages[1:]
messages[0]
messages[-1]['content']
messages[0].role
messages[0].nothing
messages[5]
messages[5].role
tools[1:]
x[1:]
none.x
none['x']
{'a': 1}.a
{'a': 1}['a']
{'a': 1}['b']
{'items': 1}.items is callable
{'items': 1}['items']
{'a': 1}[[1]]
[1].0
'abc'.0
x()
1()
''.__class__
''.__class__.__mro__
[].append(1)
{}.update(a=1)
range(3)
range(1, 7, 2) | list
range(5, 0, -2) | list
range(3)[1]
range(3)[1:] | list
range(0, 10, 0)
range(100001)
range(1000000000000)
dict(a=1, b=2)
dict([('a', 1)], b=2)
namespace(a=1).a
namespace(a=1).b
'x' | int
'12' | int
' 12 ' | int
'12.7' | int
'1_000' | int
'-3' | int
'0x1f' | int(base=16)
'ff' | int(0, 16)
'x' | int(5)
none | int
12.9 | int
true | int
[1] | int(7)
x | int
'1.5' | float
'x' | float
'1e3' | float
'nan' | float
'inf' | float
none | float(2.5)
x | length
'abc' | length
'grüße' | count
[1, 2] | length
{'a': 1} | length
none | length
5 | length
range(4) | length
x | default('d')
none | default('d')
none | default('d', true)
'' | d('e', boolean=true)
x.y | default('d')
'a' | default
'abc' | upper
'ABC' | lower
'hello WORLD foo-bar (baz)' | title
'hello WORLD' | capitalize
'  a b  ' | trim
'xxaxx' | trim('x')
'abc' | center(9)
'abcd' | center(9)
'a b a' | replace('a', 'x')
'a b a' | replace('a', 'x', 1)
'abc' | replace('', '-')
123 | replace('2', 'x')
'abc' | reverse
[1, 2, 3] | reverse | list
'abc' | first
'abc' | last
[] | first
[] | last
{'a': 1, 'b': 2} | first
[1, 2] | join
[1, none, 'a'] | join(', ')
messages | join('|', attribute='role')
'abc' | join('-')
x | join('-')
none | join
[3, 1, 2] | sort
['b', 'A', 'a', 'B'] | sort
['b', 'A', 'a', 'B'] | sort(case_sensitive=true)
[3, 1, 2] | sort(reverse=true)
messages | sort(attribute='content') | map(attribute='role') | list
[1, 'a'] | sort
[1, 1, 2, 'a', 'A'] | unique | list
[1, 2, 3] | sum
[0.1, 0.2] | sum
[{'v': 1}, {'v': 2}] | sum(attribute='v', start=10)
['a', 'b'] | sum
[3, 1, 2] | min
[3, 1, 2] | max
['b', 'A'] | min
[] | max
[1, 2, 3, 4, 5] | batch(2) | list
[1, 2, 3, 4, 5] | batch(2, 'x') | list
[1, 2, 3, 4, 5] | slice(2) | list
[1, 2, 3, 4, 5] | slice(3, 'x') | list
['a', 'b'] | map('upper') | list
['a', 'b'] | map('upper') | first
messages | map(attribute='role') | join(',')
messages | map(attribute='nope') | list
messages | map(attribute='nope', default='d') | list
[1, 2, 3] | select('odd') | list
[0, 1, '', 'a', none] | select | list
[1, 2, 3] | reject('odd') | list
[1, 2, 3] | select('>', 1) | list
messages | selectattr('role', 'equalto', 'user') | list | length
messages | selectattr('role', '==', 'user') | map(attribute='content') | first
messages | rejectattr('role', 'in', ['system']) | map(attribute='role') | list
messages | selectattr('tool_calls') | list
messages | selectattr('tool_calls', 'defined') | list
messages | groupby('role') | map(attribute='grouper') | list
[1, 2] | select('odd') | length
{'b': 1, 'a': 2} | dictsort
{'b': 1, 'a': 2} | dictsort(by='value')
{'b': 1, 'a': 2} | items | list
x | items | list
{'b': 1} | list
'abc' | list
none | list
x | list
1 | list
-3 | abs
-3.5 | abs
'a' | abs
2.5 | round
3.5 | round
2.567 | round(2)
2.1 | round(0, 'ceil')
2.9 | round(method='floor')
5 | round
1234 | round(-2)
12345.678 | round(1)
'a' | round
1.0 | string
none | string
[1] | string ~ 'x'
'<b>&"\'' | escape
'<b>x</b>  y' | striptags
'hello big world' | truncate(9)
'hello big world' | truncate(9, true)
'hello big world' | truncate(9, false, '…', 0)
'hello' | truncate(3)
'a\nb\n\nc' | indent
'a\nb\n\nc' | indent(2, true)
'a\n\nb' | indent(2, blank=true)
'a\nb' | indent('> ')
'a b\nc_d e-f' | wordcount
'a b/c?é' | urlencode
{'a b': 'c/d'} | urlencode
1000 | filesizeformat
1500000 | filesizeformat
1024 | filesizeformat(true)
1 | filesizeformat
'%s is %d' | format('a', 3)
'%(a)s' | format(a=1)
'%s' % 'a'
'%s %r' % ('a', 'b')
'%5.2f|%-5d|%05d|%+d|%x' % (3.14159, 42, 42, 42, 255)
'%d%%' % 3.9
'%e %g %g' % (12345.678, 0.00001, 1000000.0)
'%s' % none
'%s %s' % 'a'
'%s' % (1, 2)
'{} {}'.format(1, 'a')
'{1} {0}'.format('a', 'b')
'{a}'.format(a=1)
'{:>5}|{:<5}|{:^5}'.format('a', 'b', 'c')
'{:05d} {:.2f} {:,}'.format(42, 3.14159, 1234567)
'{!r}'.format('a')
'{:x} {:#x} {:b} {:e} {:%}'.format(255, 255, 5, 1234.5, 0.25)
'{{}}'.format()
'{0[a]}'.format({'a': 1})
'{'.format()
'{}'.format()
'a,b,c'.split(',')
'a,b,c'.split(',', 1)
'a,b,c'.rsplit(',', 1)
' a  b '.split()
' a  b c '.split(none, 1)
' a  b c '.rsplit(none, 1)
''.split()
''.split(',')
'a'.split('')
'a\nb\r\nc\n'.splitlines()
'a\nb\n'.splitlines(true)
'abc'.startswith('ab')
'abc'.startswith(('x', 'a'))
'abc'.startswith('b', 1)
'abc'.endswith('bc')
'abc'.find('c')
'abc'.find('x')
'grüße'.find('ß')
'abcabc'.rfind('c')
'abc'.index('x')
'abcabc'.count('bc')
'  a '.strip()
'xax'.lstrip('x')
'xax'.rstrip('x')
'abc'.removeprefix('a')
'abc'.removesuffix('bc')
'a-b-c'.replace('-', '+')
'a-b-c'.replace('-', '+', 1)
'aBc'.upper()
'aBc'.lower()
'aBc'.swapcase()
'straße'.upper()
'hello wORLD it\'s'.title()
'hello'.capitalize()
'a-b'.partition('-')
'a-b-c'.rpartition('-')
'ab'.partition('-')
','.join(['a', 'b'])
','.join([1])
'ab'.center(5, '*')
'abc'.center(6)
'ab'.ljust(4) ~ '|'
'ab'.rjust(4)
'-42'.zfill(6)
'a\tb'.expandtabs(4)
'12'.isdigit()
'²'.isdigit()
'1a'.isalnum()
'ab'.isalpha()
''.isalpha()
' '.isspace()
'AB'.isupper()
'aB'.islower()
'Ab Cd'.istitle()
'a1'.isidentifier()
'abc'.nothing
'abc'.nothing()
{'a': 1}.get('a')
{'a': 1}.get('b')
{'a': 1}.get('b', 2)
{'a': 1}.items()
{'a': 1}.items() | list
{'a': 1}.keys()
{'a': 1}.keys() | list
{'a': 1}.values() | list
[1, 2, 1].count(1)
[1, 2, 1].index(2)
{'b': 1, 'a': [1, 2.0, none, true, 'é"\n<']} | tojson
{'b': 1, 'a': 2} | tojson(sort_keys=true)
{'b': 1, 'a': [1, 2]} | tojson(separators=(',', ':'))
{'b': 1, 'a': [1, 2]} | tojson(indent=2)
{'b': [], 'a': {}} | tojson(indent=2)
{'b': [1]} | tojson(indent=1, separators=(',', ': '))
[[1], [2]] | tojson(indent='--')
[1] | tojson(indent=0)
'é😀' | tojson
'é😀' | tojson(ensure_ascii=true)
'\x7f\x00\u2028' | tojson
{1: 'a', none: 2, true: 3, 1.5: 4} | tojson
1e20 | tojson
1e-7 | tojson
(1, 2) | tojson
messages | tojson
x | tojson
range(2) | tojson
{(1, 2): 3} | tojson
tools | map('upper') | list
false | select | list
'a' % [1]
'a' % 1
[] | indent
none is none
x is none
x is defined
x is undefined
x is not defined
messages is defined
messages[0].x is defined
none is iterable
x is iterable
'a' is iterable
1 is iterable
{} is iterable
range(1) is iterable
none is sequence
'a' is sequence
{} is sequence
[] is sequence
{}.items() is sequence
range(1) is sequence
{} is mapping
[] is mapping
'a' is string
1 is string
1 is number
true is number
1.0 is number
true is integer
1 is integer
1.0 is float
true is boolean
1 is boolean
true is true
1 is true
false is false
none is false
3 is odd
4 is even
2.0 is even
'a' is odd
6 is divisibleby 3
6 is divisibleby(4)
'a' is lower
'A' is upper
'1' is upper
1 is eq 1
1 is ne 1
2 is gt 1
2 is ge(2)
1 is lt 2
1 is le 0
1 is in [1, 2]
'a' is in 'abc'
1 is sameas 1
none is sameas none
[] is sameas []
range is callable
'a' is callable
'upper' is filter
'nope' is filter
'odd' is test
1 is nope
1 | nope
messages is iterable and messages is not string and messages | length > 1
tools is iterable and tools | length > 0
tools is not none and tools | length > 0
not tools is defined
x is defined and x is not none
messages[0]['content'] is string
raise_exception('stop')
strftime_now('%%')
strftime_now('%Y') | length
strftime_now(1)
loop
caller
cycler('a', 'b').next()
'\x41\u0042\103\z\N'
1 +
[1, 2
'abc
a b
{'a' 1}
1 is
| upper
x.
'a' is string is string
""".strip().splitlines()

# Whole templates.
TEMPLATES = [
    "a\n",
    "a\n\n",
    "\na",
    "{{ 1 }}\n{{ 2 }}\n",
    "{% if true %}\na\n{% endif %}\nb",
    "  {% if true %}  \n  a\n  {% endif %}  \nb",
    "x  {% if true %} a {% endif %}  y",
    "x  {%- if true -%} a {%- endif -%}  y",
    "x \n {%+ if true %}\n a\n {%+ endif +%}\n y",
    "x\n  {# c #}\ny",
    "x\n  {#- c -#}\n  y",
    "x\n  {{ 1 }}\n  y",
    "x\n  {{- 1 -}}\n  y",
    "{{-1}}",
    "{{ -1 }}",
    "{{+1}}",
    "a\r\nb\rc\n{% if true %}\r\nd\r\n{% endif %}\r\ne",
    "{{ 'a\r\nb' }}",
    "{% raw %}{{ x }}{% if %}{% endraw %}!",
    "a\n  {% raw %}\n b {{ }}\n  {% endraw %}\nc",
    "a {%- raw -%} b {%- endraw -%} c",
    "{# {{ #}a{# %} #}b",
    "{{ '}}' }}{{ '%}' }}{{ {'a': {'b': 1}}.a.b }}",
    "{{ {'a':{}}}}",
    "a {# b",
    "a {{ b",
    "a {% if",
    "{% if true %}",
    "{% endif %}",
    "{% nope %}",
    "{% raw %}a",
    "{ % if % } { { } }",
    "{% if x %}a{% elif true %}b{% else %}c{% endif %}",
    "{% if 0 %}a{% elif '' %}b{% else %}c{% endif %}",
    "{% if 'a' if true %}{% endif %}",
    "{% for i in [1, 2, 3] %}{{ i }}{% endfor %}",
    "{% for i in [] %}a{% else %}b{% endfor %}",
    "{% for i in x %}a{% else %}b{% endfor %}",
    "{% for i in none %}a{% endfor %}",
    "{% for i in 5 %}a{% endfor %}",
    "{% for c in 'grü' %}[{{ c }}]{% endfor %}",
    "{% for k in {'b': 1, 'a': 2} %}{{ k }}{% endfor %}",
    "{% for k, v in {'b': 1, 'a': 2}.items() %}{{ k }}{{ v }}{% endfor %}",
    "{% for k, v in {'b': 1}|items %}{{ k }}{{ v }}{% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [1] %}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
    "{% for i in 1, 2 %}{{ i }}{% endfor %}",
    "{% for i in [1, 2, 3, 4] if i is odd %}{{ loop.index }}:{{ i }}{{ ',' if not loop.last }}{% endfor %}",
    "{% for i in [1] if false %}a{% else %}b{% endfor %}",
    "{% for i in 'abc' %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}|{% endfor %}",
    "{% for i in 'abc' %}{{ loop.previtem }}-{{ loop.nextitem }},{{ loop.previtem is defined }} {% endfor %}",
    "{% for i in 'abc' %}{{ loop.cycle('x', 'y') }}{% endfor %}",
    "{% for i in [1, 1, 2] %}{{ loop.changed(i) }}{% endfor %}",
    "{% for i in 'ab' %}{% for j in 'cd' %}{{ i }}{{ j }}{{ loop.index }}{{ loop.depth }} {% endfor %}{{ loop.index }}{% endfor %}",
    "{% for i in [1, 2, 3] %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in [1, 2, 3] %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in [1, 2] %}{% set a %}x{% break %}{% endset %}{{ i }}{% endfor %}{{ a }}",
    "{% macro m() %}{% macro n() %}{{ varargs }}{% endmacro %}{{ n(1) }}{% endmacro %}{{ m(2) }}",
    "{% for i in [1] %}{% break %}{% else %}b{% endfor %}",
    "{% for i in [[1, [2]], [3]] recursive %}{% if i is iterable %}({{ loop(i) }}){% else %}{{ i }}{{ loop.depth }}{% endif %}{% endfor %}",
    "{% for i in [1] %}{{ loop([2]) }}{% endfor %}",
    "{% for loop in [1] %}{% endfor %}",
    "{% set i = 0 %}{% for i in [1, 2] %}{% endfor %}{{ i }}",
    "{% set n = 0 %}{% for i in [1, 2] %}{% set n = n + i %}{{ n }}{% endfor %}{{ n }}",
    "{% for i in [1, 2] %}{{ y }}{% set y = i %}{{ y }}{% endfor %}{{ y }}",
    "{% set ns = namespace(n=0) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}",
    "{% set ns = namespace() %}{% set ns.a = [1] %}{{ ns.a }}{{ ns.b is defined }}{{ ns['a'] }}",
    "{% set d = {} %}{% set d.a = 1 %}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set a = 1, 2 %}{{ a }}",
    "{% set a %}x{{ 1 }}{% endset %}[{{ a }}]",
    "{% set a | upper | trim %} x {% endset %}[{{ a }}]",
    "{% set true = 1 %}",
    "{% if true %}{% set a = 1 %}{% endif %}{{ a }}",
    "{% if false %}{% set messages = 1 %}{% endif %}{{ messages | length }}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a }}",
    "{% macro m(a, b=2) %}{{ a }}-{{ b }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=4, a=5) }}{{ m() }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(c=2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}",
    "{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, z=4) }}",
    "{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(3) }}",
    "{% macro m() %}{{ messages | length }}{{ y }}{% endmacro %}{% set y = 1 %}{{ m() }}{% set y = 2 %}{{ m() }}",
    "{% macro m(n) %}{% if n > 0 %}{{ n }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}",
    "{% macro m() %}{% set y = 1 %}{% endmacro %}{{ m() }}{{ y is defined }}",
    "{% macro m() %}a{% endmacro %}{{ m() | upper ~ m() + 'x' }}{{ m }}",
    "{% macro m() %} {{ caller() }} {% endmacro %}{% call m() %}x{% endcall %}",
    "{% macro m() %}{% for i in [1, 2] %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(i) m() %}<{{ i }}>{% endcall %}",
    "{% macro m() %}a{% endmacro %}{% call m() %}x{% endcall %}",
    "{% macro m(a=1, b) %}{% endmacro %}",
    "{% macro m %}{% endmacro %}",
    "{{ m.name }}{% macro m(a, b) %}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}",
    "{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% filter upper %}a{{ 'b' }}{% endfilter %}",
    "{% filter replace('a', 'b') | upper %}aa{% endfilter %}",
    "{% generation %}a{% endgeneration %}b",
    "x\n  {% generation %}\n  a\n  {%- endgeneration %}\nb",
    "{% generation %}{% set y = 1 %}{{ y }}{% endgeneration %}{{ y is defined }}",
    "{% for i in [1, 2] %}{% generation %}{{ loop.index }}{% endgeneration %}{% endfor %}",
    "{% raw %}{% generation %}{% endraw %}",
    "{# {% generation %} #}a",
    "{% endgeneration %}",
    "{% block b %}a{% endblock %}",
    "{% autoescape false %}<{{ '<' }}{% endautoescape %}",
    "{% print 1, 2 %}",
    "{% do 1 %}",
    "{% include 'a' %}",
    "{% extends 'a' %}",
    "{% import 'a' as a %}",
    "{% break %}",
    "{% set j = joiner('|') %}{% for i in [1, 2, 3] %}{{ j() }}{{ i }}{% endfor %}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}",
    "{% set m = [1, 2] | map('string') %}{{ m | list }}{{ m | list }}",
    "{% set a = [3, 1] %}{{ a | sort }}{{ a }}",
    "{{ dict(a=1, **{'b': 2}) }}{{ range(*[1, 3]) | list }}",
    "{{ [1, 2, 3,] }}{{ {'a': 1,} }}{{ (1, 2,) }}",
    "{{ 'a' if messages[0].role == 'system' and not tools else 'b' }}",
    "{{ messages[0].content | trim if messages[0].content else '' }}",
    "{%- set sys = messages[0]['content'] if messages[0]['role'] == 'system' else '' -%}\n{{ sys }}",
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] | trim + '\\n' }}{% endfor %}",
    "{% for m in messages[1:] %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('no') }}{% endif %}{{ m.content.strip() }}{% endfor %}",
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{{ add_generation_prompt }}",
    "{% if messages[-1].content is not string %}a{% elif '</think>' in messages[-1].content %}b{% else %}{{ messages[-1].content.split('</think>')[-1].lstrip('\\n') }}{% endif %}",
    "{% for message in messages[::-1] %}{% set index = (messages | length - 1) - loop.index0 %}{{ index }}{{ message.role }} {% endfor %}",
    "{{ '%.2f' | format(3.14159) }}{{ '%5s|' % 'a' }}",
    "{% set x = messages | selectattr('role', 'equalto', 'system') | list %}{{ x[0].content if x }}",
    "{{ bos_token + eos_token }}{{ unk_token is defined }}{{ pad_token }}",
    "{{ unk_token + 'a' }}",
]

# What src/jinja gives where it differs on purpose; none of it is in a published template.
OURS = {
    "{{ 10 ** 50 }}": None,  # numbers end at 128 bits
    "{{ 'a' | wordwrap(5) }}": None,
    "{{ 'http://a.b' | urlize }}": None,
    "{{ {'a': 1} | xmlattr }}": None,
    "{{ ('<' | e) ~ '>' }}": "&lt;>",  # no text is marked as escaped
    "{{ 5[1:] }}": None,
    "{{ none[1:] }}": None,  # jinja2 folds constants with other rules than it runs by
    "{{ (-1 | abs * -1) ** 2 }}": "1",
    "{{ range(3)[1:] }}": "[1, 2]",
    "{{ namespace(a=1) }}": "<Namespace>",
    "{% if false %}{{ 1 | nope }}{% endif %}a": "a",
    "{{ 'a' * 200000000 }}": None,  # the budget
}


# A time, and every directive of strftime that depends on nothing but it.
TIME = datetime.datetime(2024, 2, 9, 17, 7, 9, 12345)
DATES = [
    "%a %A %b %B %h", "%d %m %y %Y %C", "%H %I %M %S %p %P", "%j %U %W %w %u %V %G %g", "%c|%x|%X|%D|%F|%T|%R|%r",
    "%e|%k|%l", "%n%t%%", "%f", "[%z][%Z]", "%-d %-m %-H %-I %-j %_d %^a %^B %#p", "%d. %B %Y", "%Q %é %", "%Y|%-",
]  # fmt: skip


def record(template):
    try:
        return {"template": template, "text": ENV.from_string(template).render(**GIVEN)}
    except Exception:
        return {"template": template, "error": True}


def main():
    records = [record("{{ " + it + " }}") for it in EXPRESSIONS]
    records += [record(it) for it in TEMPLATES]
    for template, ours in OURS.items():
        it = record(template)
        it["text"] = it.get("text", "")[:100]
        records.append({**it, "ours": ours})
    dates = [{"format": it, "text": TIME.strftime(it)} for it in DATES]
    rows = [",\n".join(json.dumps(it, ensure_ascii=True) for it in part) for part in (records, dates)]
    OUT.write_text('{"templates": [\n' + rows[0] + '\n], "dates": [\n' + rows[1] + "\n]}\n")
    print(len(records), "records,", sum("error" in it for it in records), "errors")


main()

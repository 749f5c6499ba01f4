//! Files of a room use each other one way only: no circle but that of a parent and its parts.

use std::collections::{BTreeMap, BTreeSet};

use super::{is_test, root, sources, without_tests};

/// A module's path, as of `crate::ops::gpu`.
type Module = Vec<String>;

/// What the modules of the crate name, and where a name comes from.
#[derive(Default)]
struct Names {
    modules: BTreeSet<Module>,
    /// By module, what its `use` lines bring in.
    brought: BTreeMap<Module, BTreeMap<String, Module>>,
    /// By module, every path below `crate` or `super` that stands in it.
    named: BTreeMap<Module, Vec<Module>>,
}

impl Names {
    fn read() -> Self {
        let sources: Vec<(Module, String)> = sources()
            .into_iter()
            .filter(|(path, _)| !is_test(path) && !path.ends_with("main.rs"))
            .map(|(path, text)| (module(&path), without_tests(&text).to_owned()))
            .collect();
        let mut out = Self {
            modules: sources.iter().map(|it| it.0.clone()).collect(),
            ..Self::default()
        };
        for (module, text) in sources {
            out.add(&module, &text);
        }
        out
    }

    fn add(&mut self, module: &Module, text: &str) {
        let is_code = |it: &&str| !it.trim_start().starts_with("//");
        let text: String = text.lines().filter(is_code).collect::<Vec<_>>().join("\n");
        let (used, rest) = use_lines(&text);
        for line in used {
            for path in expanded(&line) {
                let (path, alias) = path
                    .split_once('@')
                    .map_or((&*path, None), |(path, it)| (path, Some(it.to_owned())));
                let Some(path) = self.absolute(path, module) else {
                    continue;
                };
                let name = alias.or(path.last().cloned()).unwrap_or_default();
                let brought = self.brought.entry(module.clone()).or_default();
                brought.insert(name, path.clone());
                self.named.entry(module.clone()).or_default().push(path);
            }
        }
        for path in inline_paths(&rest) {
            let path = self.absolute(&path, module);
            self.named.entry(module.clone()).or_default().extend(path);
        }
    }

    /// A path from the crate's root on; none of what lies outside.
    fn absolute(&self, path: &str, module: &Module) -> Option<Module> {
        let mut words = path.split("::").filter(|it| *it != "self").peekable();
        let first = *words.peek()?;
        let mut out = match first {
            "crate" => Module::new(),
            _ => module.clone(),
        };
        let part = [module.as_slice(), &[first.to_owned()]].concat();
        if !["crate", "super"].contains(&first) && !self.modules.contains(&part) {
            return None;
        }
        for word in words {
            match word {
                "crate" => {}
                "super" => drop(out.pop()),
                word => out.push(word.to_owned()),
            }
        }
        Some(out)
    }

    /// The file in which what a path names is written.
    fn home(&self, path: &Module, n_steps: usize) -> Option<Module> {
        let n = (1..=path.len()).rev();
        let n = n.into_iter().find(|n| self.modules.contains(&path[..*n]))?;
        let (module, rest) = path.split_at(n);
        let brought = self.brought.get(module);
        let from = rest.first().and_then(|it| brought?.get(it));
        match from.filter(|it| *it != path && n_steps < 9) {
            Some(from) => {
                let path = [from.as_slice(), &rest[1..]].concat();
                self.home(&path, n_steps + 1)
            }
            None => Some(module.to_vec()),
        }
    }

    /// By file, the files of its room that it uses, parents and parts left out.
    fn uses(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let is_apart = |a: &Module, b: &Module| {
            a.first() == b.first() && !a.starts_with(b) && !b.starts_with(a)
        };
        let of = |(module, named): (_, &Vec<Module>)| {
            let homes = named.iter().filter_map(|it| self.home(it, 0));
            let homes = homes.filter(|it| is_apart(module, it)).collect();
            (module, homes)
        };
        self.named.iter().map(of).collect()
    }
}

/// `ops/gpu/mod.rs` is `ops::gpu`.
fn module(path: &std::path::Path) -> Module {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let words = inside.with_extension("");
    let words = words.iter().map(|it| it.to_str().unwrap().to_owned());
    words.filter(|it| it != "mod" && it != "lib").collect()
}

/// The paths of all `use` lines, without blanks and with `@` for `as`; and the text without them.
fn use_lines(text: &str) -> (Vec<String>, String) {
    let (mut used, mut rest, mut open) = (Vec::new(), String::new(), None::<String>);
    for line in text.lines() {
        let start = line.trim_start();
        let after = start.strip_prefix("pub ").unwrap_or(start);
        let after = after.split_once(") ").filter(|it| it.0.starts_with("pub("));
        let after = after.map_or(start.strip_prefix("pub ").unwrap_or(start), |it| it.1);
        match (&mut open, after.strip_prefix("use ")) {
            (Some(it), _) => it.push_str(line),
            (None, Some(it)) => open = Some(it.to_owned()),
            (None, None) => {
                rest.push_str(line);
                rest.push('\n');
            }
        }
        if let Some(it) = open.take_if(|_| line.trim_end().ends_with(';')) {
            let it = it.replace(" as ", "@").replace([' ', ';'], "");
            used.push(it);
        }
    }
    (used, rest)
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expanded(path: &str) -> Vec<String> {
    let Some((head, body)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let body = body.strip_suffix('}').unwrap_or(body);
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for letter in body.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if letter == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(it) = parts.last_mut() {
            it.push(letter);
        }
    }
    let parts = parts.iter().filter(|it| !it.is_empty());
    parts
        .flat_map(|it| expanded(it))
        .map(|it| format!("{head}{it}"))
        .collect()
}

/// Paths that begin with `super` or `crate` anywhere in a text.
fn inline_paths(text: &str) -> Vec<String> {
    let is_part = |it: char| it.is_alphanumeric() || it == '_' || it == ':';
    let mut out = Vec::new();
    for start in ["super::", "crate::"] {
        for (at, _) in text.match_indices(start) {
            if !text[..at].ends_with(is_part) {
                let path: String = text[at..].chars().take_while(|it| is_part(*it)).collect();
                out.push(path.trim_end_matches(':').to_owned());
            }
        }
    }
    out
}

/// All that can be reached from a file.
fn reached<'a>(
    from: &'a Module,
    uses: &'a BTreeMap<&Module, BTreeSet<Module>>,
) -> BTreeSet<&'a Module> {
    let (mut out, mut left) = (BTreeSet::new(), vec![from]);
    while let Some(at) = left.pop() {
        for next in uses.get(at).into_iter().flatten() {
            if out.insert(next) {
                left.push(next);
            }
        }
    }
    out
}

/// Files that can be reached from themselves, by room, each with the files of its circle.
fn circles() -> BTreeMap<String, Vec<String>> {
    let names = Names::read();
    let uses = names.uses();
    let reach: BTreeMap<&Module, BTreeSet<&Module>> =
        uses.keys().map(|it| (*it, reached(it, &uses))).collect();
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, reached) in &reach {
        if reached.contains(file) {
            let back = |it: &&&Module| reach.get(**it).is_some_and(|reach| reach.contains(file));
            let circle: Vec<String> = reached
                .iter()
                .filter(back)
                .map(|it| it.join("::"))
                .collect();
            let line = format!("{} in a circle of {}", file.join("::"), circle.join(", "));
            out.entry(file[0].clone()).or_default().push(line);
        }
    }
    out
}

#[test]
fn files_of_a_room_use_each_other_one_way() {
    let circles = circles();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let (used, rest) = use_lines(
        "use super::{\n    a::{B, c as d},\n    E,\n};\npub(super) use f::G;\nlet x = super::super::h::I::new();\n",
    );
    assert_eq!(used, ["super::{a::{B,c@d},E,}", "f::G"]);
    assert_eq!(
        expanded(&used[0]),
        ["super::a::B", "super::a::c@d", "super::E"]
    );
    assert_eq!(inline_paths(&rest), ["super::super::h::I::new"]);
    let names = Names::read();
    let session = vec!["engine".to_owned(), "session".to_owned()];
    let home = |path: &str| {
        let path = names.absolute(path, &session).unwrap();
        names.home(&path, 0).unwrap().join("::")
    };
    assert_eq!(home("super::Event"), "engine::message");
    assert_eq!(home("super::rows::Rows"), "engine::rows");
    assert_eq!(home("crate::ops::Gpu"), "ops::gpu::device");
}

//! The page of a run in a browser 1280 pixels wide: nothing sticks out or is cut off, both texts stand side by side, and
//! it has a key of its colours, the load and the effect in words.

use std::{fs, path::Path};

use serde_json::Value;

use super::browser::{browser, dom_sized};

/// What a small screen has.
const SIZE: (u32, u32) = (1280, 720);

/// Measures the page once it has drawn itself, and leaves what it found in it.
const MEASURE: &str = r"<script>
addEventListener('load', () => {
  const box = (it) => { const r = it.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom].map(Math.round); };
  const all = (what) => [...document.querySelectorAll(what)];
  const shown = (it) => it.getClientRects().length > 0 && !it.closest('.sr');
  const name = (it) => `${it.tagName}#${it.id}.${it.className}: ${it.textContent.slice(0, 40)}`;
  const scrolls = (it) => { for (let at = it; at; at = at.parentElement) if (['auto', 'scroll'].includes(getComputedStyle(at).overflowX) && at !== document.documentElement && at !== document.body) return true; return false; };
  const out = all('body *').filter((it) => shown(it) && !scrolls(it) && (box(it)[2] > innerWidth || box(it)[0] < 0)).map(name);
  const cut = all('body *').filter((it) => shown(it) && getComputedStyle(it).overflowX === 'hidden' && !it.matches('.next .name') && it.scrollWidth > it.clientWidth + 1).map(name);
  const found = {
    width: innerWidth, page: document.documentElement.scrollWidth, out, cut,
    reading: box(document.querySelector('#reading')), aside: box(document.querySelector('aside')),
    heads: all('#columns h3').map((it) => [it.textContent, ...box(it)]),
    key: all('#key span').map((it) => [it.textContent, getComputedStyle(it.querySelector('i')).backgroundColor, ...box(it.querySelector('i'))]),
    tokens: all('#text .tok').filter(shown).map((it) => getComputedStyle(it).borderBottomColor),
    load: all('#load .next').map((it) => [it.textContent, ...[...it.querySelectorAll('.two div')].map((one) => Math.round(one.getBoundingClientRect().width))]),
    says: document.querySelector('#text-says').textContent,
    loadSays: document.querySelector('#load-says').textContent,
    effects: all('#effects tbody tr').filter(shown).map((it) => it.textContent),
    letters: all('body *').filter((it) => shown(it) && [...it.childNodes].some((one) => one.nodeType === 3 && one.data.trim())).map((it) => parseFloat(getComputedStyle(it).fontSize)).reduce((a, b) => Math.min(a, b)),
  };
  const it = document.createElement('pre');
  it.id = 'measured';
  it.textContent = encodeURIComponent(JSON.stringify(found));
  document.body.append(it);
});
</script></body>";

/// A run of the Tour model under edits, as `run --html` writes it, with something to measure it behind.
fn page(folder: &Path) -> std::path::PathBuf {
    let out = folder.join("run.html");
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_moescope"))
        .args([
            "run",
            "tour",
            "--prompt",
            "Il était une fois une petite fille qui",
        ])
        .args(["-n", "40", "--seed", "1", "--device", "cpu", "--html"])
        .arg(&out)
        .args(["mask:2.5", "mask:3.6", "mask:4.5", "mask:5.5"].map(|it| format!("--edit={it}@8..")))
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let text = fs::read_to_string(&out).unwrap();
    let measured = text.replace("</body>", MEASURE);
    assert_ne!(measured, text);
    fs::write(&out, measured).unwrap();
    out
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(it) = rest.next() {
        if it == b'%' {
            let digits: Vec<u8> = rest.by_ref().take(2).collect();
            let digits = String::from_utf8(digits).unwrap();
            bytes.push(u8::from_str_radix(&digits, 16).unwrap());
        } else {
            bytes.push(it);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn numbers(it: &Value, from: usize) -> Vec<f64> {
    let all = it.as_array().unwrap();
    all[from..].iter().map(|it| it.as_f64().unwrap()).collect()
}

fn texts(it: &Value) -> Vec<&str> {
    let all = it.as_array().unwrap();
    all.iter().map(|it| it.as_str().unwrap()).collect()
}

#[test]
fn the_page_is_good_at_1280_pixels() {
    let Some(browser) = browser() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let page = page(folder.path());
    let dom = dom_sized(&browser, &page, "row=edited&token=14&layer=4", SIZE);
    let (_, measured) = dom
        .split_once("<pre id=\"measured\">")
        .expect("it was measured");
    let found: Value =
        serde_json::from_str(&decoded(measured.split_once("</pre>").unwrap().0)).unwrap();
    // Nothing sticks out, nothing is cut off, letters are no smaller than the window's.
    assert_eq!(found["width"], SIZE.0);
    assert!(
        found["page"].as_u64().unwrap() <= u64::from(SIZE.0),
        "{}",
        found["page"]
    );
    assert!(texts(&found["out"]).is_empty(), "{:#?}", found["out"]);
    assert!(texts(&found["cut"]).is_empty(), "{:#?}", found["cut"]);
    assert!(found["letters"].as_f64().unwrap() >= 11.0);
    // The panels stand beside the text, and the two texts beside each other.
    let (reading, aside) = (numbers(&found["reading"], 0), numbers(&found["aside"], 0));
    assert!(reading[2] <= aside[0], "{reading:?} {aside:?}");
    let heads = found["heads"].as_array().unwrap();
    let [baseline, edited] = [0, 1].map(|it| numbers(&heads[it], 1));
    assert!((baseline[1] - edited[1]).abs() < 2.0 && baseline[2] <= edited[0]);
    check_key(&found);
    check_words(&found);
}

/// Each of the eight experts with the colour that its tokens have.
fn check_key(found: &Value) {
    let key = found["key"].as_array().unwrap();
    let colors: Vec<&str> = key[..8].iter().map(|it| it[1].as_str().unwrap()).collect();
    for (n, it) in key[..8].iter().enumerate() {
        assert_eq!(it[0].as_str().unwrap(), n.to_string());
        assert!(!colors[..n].contains(&colors[n]), "{colors:?}");
        let mark = numbers(it, 2);
        assert!(
            mark[2] - mark[0] >= 10.0 && mark[3] - mark[1] >= 4.0,
            "{mark:?}"
        );
    }
    let tokens = texts(&found["tokens"]);
    let colored = tokens.iter().filter(|it| colors.contains(it)).count();
    assert!(
        tokens.len() > 40 && colored > 40,
        "{colored} of {}",
        tokens.len()
    );
    assert!(
        key.last().unwrap()[0]
            .as_str()
            .unwrap()
            .contains("what the edits changed")
    );
}

fn check_words(found: &Value) {
    let says = found["says"].as_str().unwrap();
    for words in [
        "The texts part at token ",
        " of the change sits in 3 of ",
        " picks that changed ",
        " (edited)",
        "Mean KL ",
        " nats a token, loss ",
        "8 random controls of the same layers (seed 1): KL ",
    ] {
        assert!(says.contains(words), "no “{words}” in: {says}");
    }
    let effects = texts(&found["effects"]);
    let starts = ["baseline", "edited", "control, mean of 8 (seed 1)"];
    assert_eq!(effects.len(), 3, "{effects:?}");
    assert!(
        effects
            .iter()
            .zip(starts)
            .all(|(it, start)| it.starts_with(start))
    );
    // The load of every expert of the layer, before and under the edits.
    let load = found["load"].as_array().unwrap();
    assert_eq!(load.len(), 8);
    for (n, it) in load.iter().enumerate() {
        assert!(
            it[0].as_str().unwrap().starts_with(&format!("expert {n}")),
            "{it}"
        );
        assert_eq!(numbers(it, 1).len(), 2, "{it}");
    }
    let says = found["loadSays"].as_str().unwrap();
    assert!(
        says.contains(" tokens of baseline") && says.contains("even is 25 %"),
        "{says}"
    );
}

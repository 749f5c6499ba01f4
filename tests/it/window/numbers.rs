//! The numbers shown are those of the trace, and the trace is the reference's.

use egui_kittest::kittest::Queryable as _;
use moescope::spec::{Position, RouterId};
use safetensors::SafeTensors;

use super::drive::click_token;
use super::fixture::{self, Fixture};

pub fn f32s(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let bytes = file.tensor(name).unwrap().data();
    let four = bytes.chunks_exact(4);
    four.map(|it| f32::from_le_bytes(it.try_into().unwrap()))
        .collect()
}

pub fn i64s(file: &SafeTensors<'_>, name: &str) -> Vec<i64> {
    let bytes = file.tensor(name).unwrap().data();
    let eight = bytes.chunks_exact(8);
    eight
        .map(|it| i64::from_le_bytes(it.try_into().unwrap()))
        .collect()
}

#[test]
fn the_numbers_shown_for_a_fixture_equal_the_reference() {
    let Fixture {
        mut window,
        expected: bytes,
        folder: _folder,
    } = fixture::open("mixtral");
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    let ids = i64s(&expected, "input_ids");
    let n = ids.len();
    for router in 0..3 {
        check_router(&window, &expected, router, n);
    }
    check_hover(&mut window, &expected);
}

fn check_router(
    window: &super::drive::Window,
    expected: &SafeTensors<'_>,
    router: usize,
    n: usize,
) {
    let logits = f32s(expected, &format!("router_logits.{router}"));
    let chosen = i64s(expected, &format!("topk_ids.{router}"));
    let store = &window.state().session().baseline().unwrap().record.store;
    for at in 0..n {
        let routed = store.at(RouterId::new(router), Position::new(at)).unwrap();
        for (got, wanted) in routed.logits().unwrap().iter().zip(&logits[at * 8..]) {
            assert!((got - wanted).abs() < 2e-3, "router {router} at {at}");
        }
        let mut picks: Vec<i64> = routed.picks().map(|it| it.expert.idx() as i64).collect();
        picks.sort_unstable();
        let mut wanted = chosen[at * 2..at * 2 + 2].to_vec();
        wanted.sort_unstable();
        assert_eq!(picks, wanted, "router {router} at {at}");
    }
}

/// z of the selected token, as the tooltip of a cell writes it.
fn check_hover(window: &mut super::drive::Window, expected: &SafeTensors<'_>) {
    let at = 3;
    click_token(window, at);
    for (router, expert) in [(0, 1), (1, 6), (2, 4)] {
        let label = format!("layer {router} expert {expert}");
        window.get_by_label(&label).hover();
        (0..60).for_each(|_| window.step());
        let text = window.get_by_label_contains("z = ").value().unwrap();
        let shown: f32 = text
            .split("z = ")
            .nth(1)
            .and_then(|it| it.split(',').next())
            .unwrap()
            .parse()
            .unwrap();
        let wanted = f32s(expected, &format!("router_logits.{router}"))[at * 8 + expert];
        assert!((shown - wanted).abs() < 2e-3, "{text}: {wanted}");
    }
}

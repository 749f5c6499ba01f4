//! The heatmap's pixels: read back from the picture they equal the trace; on the least a device may offer too.

use std::sync::Arc;

use eframe::egui::{Rect, Theme};
use eframe::egui_wgpu::{WgpuSetup, wgpu};
use egui_kittest::kittest::Queryable as _;
use moescope::analysis::{LoadStats, PhaseFilter};
use moescope::app::App;
use moescope::spec::{Position, RouterId};
use moescope::ui::{DARK, LIGHT, Palette, RAMP_LEN};

use super::drive::{Window, builder, scripted, settle};
use super::script::{HUGE, Script, Size, TOUR_LIKE, baseline};

/// The place on the ramp whose colour is nearest, and how far it is.
fn on_ramp(palette: &Palette, pixel: [u8; 4]) -> (f32, i32) {
    let far = |n: usize| {
        let color = palette.amount(n as f32 / (RAMP_LEN - 1) as f32).to_array();
        (0..3)
            .map(|it| (i32::from(color[it]) - i32::from(pixel[it])).abs())
            .sum::<i32>()
    };
    let nearest = (0..RAMP_LEN).min_by_key(|n| far(*n)).unwrap();
    (nearest as f32 / (RAMP_LEN - 1) as f32, far(nearest))
}

/// What the cell should show: log₂ of the share around even, from ⅛ to the ceiling; none where unused.
fn wanted(load: &LoadStats, size: Size, router: usize, expert: usize) -> Option<f32> {
    let load = load.router(RouterId::new(router), PhaseFilter::All)?;
    let n = load.n[expert];
    let even = size.top_k as f32 / size.n_experts as f32;
    let share = n as f32 / load.n_tokens as f32;
    let ceiling = (1.0 / even).log2().min(3.0);
    (n > 0).then(|| ((share / even).log2().clamp(-3.0, ceiling) + 3.0) / (ceiling + 3.0))
}

fn recount(window: &Window) -> LoadStats {
    let session = window.state().session();
    let store = &session.baseline().unwrap().record.store;
    LoadStats::count(store, Position(0)..store.end(), |it| it.0 == 0)
}

fn check_cells(window: &mut Window, size: Size, palette: &Palette) {
    let load = recount(window);
    let picture = window.render().unwrap();
    let mut n_read = 0;
    for router in 0..usize::from(size.n_layers) {
        for expert in 0..size.n_experts {
            let label = format!("layer {router} expert {expert}");
            let cell: Rect = window.get_by_label(&label).rect();
            // Off the centre, where a ring may stand, and off the corners.
            let at = cell.left_center() + eframe::egui::vec2(6.0, 0.0);
            let pixel = picture.get_pixel(at.x as u32, at.y as u32).0;
            let (read, far) = on_ramp(palette, pixel);
            match wanted(&load, size, router, expert) {
                Some(wanted) => {
                    assert!(far <= 2, "{label}: {pixel:?} is not on the ramp");
                    assert!(
                        (read - wanted).abs() < 0.01,
                        "{label}: {read} is not {wanted}"
                    );
                    n_read += 1;
                }
                None => assert_eq!(pixel[..3], palette.panel.to_array()[..3], "{label}"),
            }
        }
    }
    assert!(n_read > 30);
}

#[test]
fn values_read_back_from_the_cells_equal_the_trace() {
    for (theme, palette) in [(Theme::Dark, &DARK), (Theme::Light, &LIGHT)] {
        let events = baseline(TOUR_LIKE, 50);
        let (mut window, _script) = scripted((1440.0, 900.0), theme, events, true);
        check_cells(&mut window, TOUR_LIKE, palette);
    }
}

#[test]
fn cells_are_drawn_on_the_least_a_device_may_offer() {
    let script = Script::default();
    let link = script.clone();
    let WgpuSetup::CreateNew(mut setup) = egui_kittest::wgpu::default_wgpu_setup() else {
        panic!("a device is made anew");
    };
    setup.device_descriptor = Arc::new(|_| wgpu::DeviceDescriptor {
        required_limits: wgpu::Limits::downlevel_webgl2_defaults(),
        ..wgpu::DeviceDescriptor::default()
    });
    let mut window = builder((1440.0, 900.0), Theme::Dark)
        .wgpu_setup(WgpuSetup::CreateNew(setup))
        .build_eframe(move |cc| App::new(cc, Box::new(link), None));
    script.say(baseline(TOUR_LIKE, 50));
    settle(&mut window);
    check_cells(&mut window, TOUR_LIKE, &DARK);
}

#[test]
fn a_large_model_fills_the_panel_with_small_cells() {
    let (mut window, _script) = scripted((1440.0, 900.0), Theme::Dark, baseline(HUGE, 20), true);
    let load = recount(&window);
    let picture = window.render().unwrap();
    let grid = window.get_by_label("Experts by layer").rect();
    let mut n_read = 0;
    for router in 0..94 {
        for expert in 0..128 {
            let cell = grid.size() / eframe::egui::vec2(128.0, 94.0);
            let at = grid.min
                + eframe::egui::vec2(
                    (expert as f32 + 0.5) * cell.x,
                    (router as f32 + 0.5) * cell.y,
                );
            let pixel = picture.get_pixel(at.x as u32, at.y as u32).0;
            let (read, far) = on_ramp(&DARK, pixel);
            // The picks of the newest token are bright cells.
            if let Some(wanted) = wanted(&load, HUGE, router, expert).filter(|_| far <= 2) {
                assert!(
                    (read - wanted).abs() < 0.01,
                    "layer {router} expert {expert}"
                );
                n_read += 1;
            }
        }
    }
    assert!(n_read > 4000, "{n_read} cells");
}

#[test]
fn every_shader_parses() {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders")).unwrap();
    let mut n = 0;
    for file in folder.map(|it| it.unwrap().path()) {
        let text = std::fs::read_to_string(&file).unwrap();
        if let Err(error) = naga::front::wgsl::parse_str(&text) {
            panic!("{}", error.emit_to_string(&text));
        }
        n += 1;
    }
    assert!(n > 0);
}

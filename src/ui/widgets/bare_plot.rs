//! A plot without axes of its own.

use eframe::egui::{Rect, Sense, Ui, UiBuilder, vec2};
use egui_plot::{Plot, PlotTransform, PlotUi};

/// A plot without axes of its own over the whole of `rect`: labels stand beside it, where there is room.
pub fn bare_plot<'a>(
    ui: &mut Ui,
    id: &str,
    rect: Rect,
    (x, y): ([f64; 2], [f64; 2]),
    build: impl FnOnce(&mut PlotUi<'a>) + 'a,
) -> PlotTransform {
    let out = ui.scope_builder(UiBuilder::new().max_rect(rect), |ui| {
        Plot::new(id.to_owned())
            .width(rect.width())
            .height(rect.height())
            .min_size(vec2(1.0, 1.0))
            .set_margin_fraction(vec2(0.0, 0.0))
            .show_axes(false)
            .show_grid(false)
            .show_background(false)
            .show_x(false)
            .show_y(false)
            .show_crosshair(false)
            .allow_drag(false)
            .allow_zoom(false)
            .allow_scroll(false)
            .allow_boxed_zoom(false)
            .allow_axis_zoom_drag(false)
            .allow_double_click_reset(false)
            .sense(Sense::hover())
            .show(ui, move |plot| {
                plot.set_plot_bounds_x(x[0]..=x[1]);
                plot.set_plot_bounds_y(y[0]..=y[1]);
                build(plot);
            })
    });
    out.inner.transform
}

//! The selected expert and what can be done with it, always at the top: nothing depends on knowing a gesture.

use eframe::egui::{RichText, Ui};

use crate::spec::{Action, Amount};
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{button, edit_here, expert_menu, menu_chip, nothing_yet, state_here};
use crate::ui::words::signed;
use crate::ui::{Command, Cx, ExpertAt};

/// The selected expert and what can be done with it.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let palette = cx.palette;
    let Some(at) = cx.selection.expert_at() else {
        nothing_yet(
            ui,
            "Click a cell of the heatmap to select an expert; M masks it, right-click lists every edit.",
        );
        return;
    };
    let router = cx.spec().and_then(|it| it.router(at.router));
    let name = router.map_or_else(String::new, |it| {
        format!("{}, expert {}", it.label(), at.expert)
    });
    let (masked, forced) = state_here(cx, at);
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new(name).size(LABEL_SIZE).color(palette.second));
        let (name, color) = if masked {
            ("Unmask", palette.amber)
        } else {
            ("Mask", palette.text)
        };
        if button(
            ui,
            name,
            "M",
            color,
            "Never picked, from the selected token on (M)",
        )
        .clicked()
        {
            cx.push(Command::ToggleMask(at));
        }
        let (name, color) = if forced {
            ("Release", palette.amber)
        } else {
            ("Force", palette.text)
        };
        if button(
            ui,
            name,
            "F",
            color,
            "Always picked, from the selected token on (F)",
        )
        .clicked()
        {
            cx.push(Command::ToggleForce(at));
        }
        bias_chip(cx, ui, at);
        menu_chip(
            ui,
            "",
            "more",
            "Every edit of this expert and its layer",
            |ui| {
                expert_menu(cx, ui, at);
            },
        );
    });
}

fn bias_chip(cx: &mut Cx<'_>, ui: &mut Ui, at: ExpertAt) {
    menu_chip(ui, "", "Bias", "Add to its raw score", |ui| {
        for value in [4.0, 2.0, 1.0, -1.0, -2.0, -4.0] {
            let action = Action::Bias {
                expert: at.expert,
                value: Amount(value),
            };
            if ui
                .button(format!("{} on the score", signed(value)))
                .clicked()
                && let Some(edit) = edit_here(cx, at, action)
            {
                cx.push(Command::AddEdit(edit));
            }
        }
    });
}

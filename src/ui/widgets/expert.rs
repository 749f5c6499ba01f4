//! The gestures on an expert, the same in every panel: click selects, double-click masks, right-click
//! lists every edit with its formula.

use eframe::egui::{self, Button, Response, Ui};

use crate::spec::{Action, Amount, ExpertId, Intervention, Span};
use crate::ui::theme::{BODY_SIZE, LABEL_SIZE, Palette};
use crate::ui::words::{deciding_edit, router_ref};
use crate::ui::{Command, Cx, ExpertAt, Hover, Selection};

/// What a response on an expert asks for.
pub fn expert_gestures(cx: &mut Cx<'_>, response: &Response, at: ExpertAt) {
    if response.hovered() {
        cx.push(Command::Hover(Hover {
            expert: Some(at),
            ..Hover::default()
        }));
    }
    if response.clicked() || response.secondary_clicked() {
        cx.push(Command::Select(Selection {
            router: Some(at.router),
            expert: Some(at.expert),
            ..cx.selection
        }));
    }
    if response.double_clicked() {
        cx.push(Command::ToggleMask(at));
    }
}

/// The gestures on whatever expert lies `under` the pointer, of one response over many; `menu` is the expert whose menu
/// is open.
pub fn shared_gestures(
    cx: &mut Cx<'_>,
    response: &Response,
    under: Option<ExpertAt>,
    menu: &mut Option<ExpertAt>,
) {
    if response.secondary_clicked() {
        *menu = under;
    }
    if let Some(at) = under {
        expert_gestures(cx, response, at);
    }
    let chosen = *menu;
    response.context_menu(|ui| {
        if let Some(at) = chosen {
            expert_menu(cx, ui, at);
        }
    });
}

/// The edit of an action on the selected router, from the selected position on.
#[must_use]
pub fn edit_here(cx: &Cx<'_>, at: ExpertAt, action: Action) -> Option<Intervention> {
    Some(Intervention {
        action,
        at: router_ref(cx.spec()?, at.router)?,
        span: Span::starting(cx.edit_from(at.router)),
    })
}

/// Whether the expert is masked, and whether it is forced, where an edit made now would act.
#[must_use]
pub fn state_here(cx: &Cx<'_>, at: ExpertAt) -> (bool, bool) {
    let found = cx
        .spec()
        .and_then(|spec| deciding_edit(&cx.experiment.edits, spec, at, cx.edit_from(at.router)));
    match found {
        Some((_, masks)) => (masks, !masks),
        None => (false, false),
    }
}

/// Every edit of an expert and its layer, each with its formula.
pub fn expert_menu(cx: &mut Cx<'_>, ui: &mut Ui, at: ExpertAt) {
    let palette = Palette::of(ui);
    let Some(router) = cx.spec().and_then(|it| it.router(at.router)) else {
        return;
    };
    let title = format!("{}, expert {}", router.label(), at.expert);
    let n_experts = router.n_experts;
    let top_k = router.top_k;
    ui.set_min_width(330.0);
    ui.label(
        egui::RichText::new(title)
            .color(palette.second)
            .size(LABEL_SIZE),
    );
    let (masked, forced) = state_here(cx, at);
    if masked && item(ui, "Unmask", "takes that edit away", "M") {
        cx.push(Command::ToggleMask(at));
    }
    if forced && item(ui, "Release", "takes that edit away", "F") {
        cx.push(Command::ToggleForce(at));
    }
    for (name, action, key) in offers(at.expert, n_experts, top_k) {
        let hidden = (masked && matches!(action, Action::Mask { .. }))
            || (forced && matches!(action, Action::Force { share: None, .. }));
        if hidden || !item(ui, name, &action.formula(), key) {
            continue;
        }
        match action {
            Action::Mask { .. } => cx.push(Command::ToggleMask(at)),
            Action::Force { share: None, .. } => cx.push(Command::ToggleForce(at)),
            _ => {
                if let Some(edit) = edit_here(cx, at, action) {
                    cx.push(Command::AddEdit(edit));
                }
            }
        }
    }
    ui.separator();
    let (pin, meaning) = if cx.pins.contains(&at) {
        ("Unpin", "its colour and pattern go")
    } else {
        (
            "Pin",
            "a colour and a pattern of its own, in the text and the map",
        )
    };
    if item(ui, pin, meaning, "I") {
        cx.push(Command::TogglePin(at));
    }
}

/// Name, action, key of what is offered; values are those to start from.
fn offers(
    expert: ExpertId,
    n_experts: usize,
    top_k: usize,
) -> Vec<(&'static str, Action, &'static str)> {
    let bias = |value| Action::Bias {
        expert,
        value: Amount(value),
    };
    let next = ExpertId::new((expert.idx() + 1) % n_experts.max(1));
    let mut out = vec![
        ("Mask", Action::Mask { expert }, "M"),
        (
            "Force",
            Action::Force {
                expert,
                share: None,
            },
            "F",
        ),
    ];
    if top_k > 1 {
        let share = Some(Amount(0.5));
        out.push((
            "Force with half the weight",
            Action::Force { expert, share },
            "",
        ));
    }
    out.extend([
        ("Bias up", bias(2.0), ""),
        ("Bias down", bias(-2.0), ""),
        (
            "Favour in the choice only",
            Action::Select {
                expert,
                value: Amount(0.1),
            },
            "",
        ),
        ("Silence", Action::Zero { expert }, ""),
        (
            "Swap with the next",
            Action::Swap { expert, with: next },
            "",
        ),
        ("One expert in this layer", Action::K { n: 1 }, ""),
        ("Equal weights in this layer", Action::Uniform, ""),
        (
            "Random experts in this layer",
            Action::Random { seed: 1 },
            "",
        ),
    ]);
    out
}

fn item(ui: &mut Ui, name: &str, formula: &str, key: &str) -> bool {
    let palette = Palette::of(ui);
    let mut job = egui::text::LayoutJob::default();
    let mut add = |text: &str, size: f32, color| {
        let format = egui::TextFormat {
            font_id: egui::FontId::proportional(size),
            color,
            ..egui::TextFormat::default()
        };
        job.append(text, 0.0, format);
    };
    add(name, BODY_SIZE, palette.text);
    add("\n", LABEL_SIZE, palette.second);
    add(formula, LABEL_SIZE, palette.second);
    let response = ui
        .add(Button::new(job).shortcut_text(key))
        .accessible_name(name);
    response.clicked()
}

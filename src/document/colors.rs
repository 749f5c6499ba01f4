//! The colours of the themes as plain numbers: the window draws with them, and so does a shared page.
//!
//! Experts' colours were found by computation: under normal, protan, deutan and tritan sight any two differ by 0.11 or
//! more in `OKLab`, each differs from amber by 0.15 or more, and on light none is nearly black or grey. Tests hold all
//! of it, and one finds such a set anew: `cargo test --release --lib -- --ignored experts_colours_are_found`.

/// Colours of one theme, each `0xRRGGBB`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Colors {
    /// Between the panels.
    pub window: u32,
    /// A panel.
    pub panel: u32,
    /// What stands on a panel: chips, fields, rows.
    pub raised: u32,
    /// A raised thing under the pointer.
    pub hovered: u32,
    /// Words.
    pub text: u32,
    /// Second words, labels.
    pub second: u32,
    /// What may be missed.
    pub third: u32,
    /// The outline of what is selected.
    pub selected: u32,
    /// What the user changed, and its effect.
    pub amber: u32,
    /// What can be pressed next.
    pub accent: u32,
    /// Words on the accent.
    pub on_accent: u32,
    /// A verdict, a failure.
    pub red: u32,
    /// The hairline around what must be seen on any colour.
    pub hairline: u32,
    /// Rings and dots of picks.
    pub ring: u32,
    /// The line that means something.
    pub line: u32,
    /// Less, in differences.
    pub less: u32,
    /// More, in differences.
    pub more: u32,
    /// Experts by id; ids beyond the eighth begin anew and are told by a dashed line.
    pub experts: [u32; 8],
    /// The part of viridis that amounts from 0 to 1 run over, away from the panel.
    pub ramp: (f32, f32),
}

/// The dark theme.
pub const DARK: Colors = Colors {
    window: 0x000e_1014,
    panel: 0x0015_181e,
    raised: 0x001d_2129,
    hovered: 0x0028_2d37,
    text: 0x00e4_e7ed,
    second: 0x0098_a1b0,
    third: 0x005d_6675,
    selected: 0x00ff_ffff,
    amber: 0x00f5_a524,
    accent: 0x0066_a3ff,
    on_accent: 0x000b_1220,
    red: 0x00ff_7b72,
    hairline: 0x000e_1014,
    ring: 0x00ff_ffff,
    line: 0x0038_3f4b,
    less: 0x004d_a3ff,
    more: 0x00ff_8a3d,
    experts: [
        0x005d_a79f,
        0x00b5_5200,
        0x0088_ff7c,
        0x008d_538d,
        0x00c5_9bf0,
        0x00df_6e50,
        0x0071_d2a3,
        0x0067_66df,
    ],
    ramp: (0.13, 1.0),
};

/// The light theme.
pub const LIGHT: Colors = Colors {
    window: 0x00ec_eef2,
    panel: 0x00fb_fcfd,
    raised: 0x00f1_f3f6,
    hovered: 0x00e3_e7ed,
    text: 0x001a_1d23,
    second: 0x005a_6372,
    third: 0x008d_96a5,
    selected: 0x0000_0000,
    amber: 0x00a9_5800,
    accent: 0x001b_5fd1,
    on_accent: 0x00ff_ffff,
    red: 0x00b4_2318,
    hairline: 0x001a_1d23,
    ring: 0x00ff_ffff,
    line: 0x00d3_d8e0,
    less: 0x001b_5fd1,
    more: 0x00c2_4e00,
    experts: [
        0x006e_86ff,
        0x00cb_75b4,
        0x0067_00af,
        0x008c_985d,
        0x0094_57ba,
        0x0000_5670,
        0x007a_01ff,
        0x0000_7f6c,
    ],
    ramp: (0.9, 0.0),
};

/// Light for the back row: letters at a contrast of 7 or more on panels and what stands there, marks at 3 or more.
pub const PRESENT: Colors = Colors {
    window: 0x00e6_e8ec,
    panel: 0x00ff_ffff,
    raised: 0x00f0_f2f5,
    hovered: 0x00e2_e6ec,
    text: 0x0010_1216,
    second: 0x002f_3a50,
    third: 0x003f_4a60,
    selected: 0x0000_0000,
    amber: 0x007a_3f00,
    accent: 0x000a_3d91,
    on_accent: 0x00ff_ffff,
    red: 0x008f_0038,
    hairline: 0x0010_1216,
    ring: 0x00ff_ffff,
    line: 0x0080_8997,
    less: 0x0012_50b4,
    more: 0x00a8_4300,
    experts: LIGHT.experts,
    ramp: (0.58, 0.0),
};

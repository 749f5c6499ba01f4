//! The colours of the two themes as plain numbers: the window draws with them, and so does a shared page.
//!
//! Experts' colours were chosen so that under normal, protan, deutan and tritan sight any two differ
//! by 0.11 or more in `OKLab`.

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
        0x005e_a79d,
        0x00cc_720e,
        0x0088_ff7c,
        0x008d_538d,
        0x00c5_9bf0,
        0x00af_433a,
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
        0x0032_7aff,
        0x00d7_7673,
        0x003b_0d94,
        0x0086_3008,
        0x009b_8ac2,
        0x0054_304a,
        0x0061_3ec2,
        0x0086_658e,
    ],
    ramp: (0.9, 0.0),
};

//! What egui's shapes are too slow for: paint callbacks over wgpu, one file a shader.

pub mod expert_grid;
pub mod kept_mesh;

pub use expert_grid::GridView;

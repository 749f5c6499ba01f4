//! The integration tests, one binary.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod blocks;
#[cfg(test)]
mod broken;
#[cfg(test)]
mod check;
#[cfg(test)]
mod checkpoint;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod files;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod golden;
#[cfg(feature = "gpu")]
#[cfg(test)]
mod gpu;
#[cfg(feature = "gui")]
#[cfg(test)]
mod idle;
#[cfg(test)]
mod kernels;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod read;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod tiny;
#[cfg(test)]
mod torch;
#[cfg(feature = "gui")]
#[cfg(test)]
mod window;

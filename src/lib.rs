//! moescope: see inside Mixture-of-Experts models.

//! Tests of the whole program: see e2e/.

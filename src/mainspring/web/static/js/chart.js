// Figures that can be zoomed into; the same figures stand as a table below, for whoever has no scripts.

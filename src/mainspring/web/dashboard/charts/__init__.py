"""Charts: numbers in, geometry out. Templates render it as SVG, style sheets colour it. Pure."""

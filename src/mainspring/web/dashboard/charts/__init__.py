"""Pictures that the server draws: numbers in, geometry out; templates write it as SVG, sheets give it its colour. Pure."""

"""Interpolation of rotations: the path of a vector, and the angular velocity of slerp and of linear interpolation."""

import numpy as np
from matplotlib.figure import Figure

from quatnet.quaternion import from_axis_angle, geodesic_distance, normalize, rotate, slerp

START = from_axis_angle(np.array([0.0, 0, 1]), np.array(0.0))
END = from_axis_angle(np.array([0.3, -0.4, 1]), np.radians(170.0))
T = np.linspace(0, 1, 21)
STYLES = {"slerp": ("#0072B2", "o"), "linear, normalized": ("#D55E00", "^")}


def paths() -> dict[str, np.ndarray]:
    """Return the rotations (21, 4) of both interpolations."""
    linear = normalize((1 - T[:, None]) * START + T[:, None] * END)
    return {"slerp": slerp(START, END, T), "linear, normalized": linear}


def draw() -> Figure:
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left = figure.add_subplot(1, 2, 1, projection="3d")
    right = figure.add_subplot(1, 2, 2)
    angle = np.linspace(0, 2 * np.pi, 60)
    for height in np.linspace(-0.9, 0.9, 5):
        radius = np.sqrt(1 - height**2)
        left.plot(radius * np.cos(angle), radius * np.sin(angle), height, color="0.85", linewidth=0.7)
    for name, rotations in paths().items():
        color, marker = STYLES[name]
        points = rotate(rotations, np.array([1.0, 0, 0]))
        left.plot(*points.T, marker, color=color, markersize=4, label=name)
        speed = np.degrees(geodesic_distance(rotations[:-1], rotations[1:])) / np.diff(T)
        right.plot((T[:-1] + T[1:]) / 2, speed, color=color, marker=marker, markersize=4, label=name)
    left.set(title="Rotated vector (1, 0, 0)", xlabel="x", ylabel="y", zlabel="z")
    left.view_init(elev=35, azim=55)
    right.set(title="Angular velocity", xlabel="t", ylabel="degrees per unit of t", ylim=(0, None))
    right.legend(fontsize=9)
    return figure

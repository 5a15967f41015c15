"""Exercise 14: a plain solution, typical mistakes and hints."""

import numpy as np


def batch_norm(x, weight, bias, eps):
    centered = x - x.mean(axis=0)
    variance = (centered**2).mean(axis=0)
    return weight * centered / np.sqrt(variance + eps) + bias


def quaternion_batch_norm(x, weight, bias, eps):
    q = x.reshape(len(x), 4, -1)
    q = q - q.mean(axis=0)
    variances = (q**2).mean(axis=(0, 1))
    return (weight * q / np.sqrt(variances + eps)).reshape(x.shape) + bias


def covariance(q):
    deviations = q - q.mean(axis=0)
    return deviations.T @ deviations / len(q)


def whitening_matrix(matrix, eps):
    return np.linalg.inv(np.linalg.cholesky(matrix + eps * np.eye(4)))


def mod_relu(x, bias):
    q = x.reshape(len(x), 4, -1)
    norm = np.sqrt((q**2).sum(axis=1, keepdims=True))
    direction = q / np.where(norm == 0, 1, norm)
    return (np.maximum(norm + bias, 0) * direction).reshape(x.shape)


MISTAKES = [
    ("the mean and variance are over the channels; expected the batch, the first axis", "    centered = x - x.mean(axis=0)\n    variance = (centered**2).mean(axis=0)\n", "    centered = x - x.mean(axis=1, keepdims=True)\n    variance = (centered**2).mean(axis=1, keepdims=True)\n"),
    ("one mean and variance is used for all channels; expected those of each channel", "    centered = x - x.mean(axis=0)\n    variance = (centered**2).mean(axis=0)\n", "    centered = x - x.mean()\n    variance = (centered**2).mean()\n"),
    ("the square root of the variance is missing", "np.sqrt(variance + eps) + bias", "(variance + eps) + bias"),
    ("eps is added to the standard deviation; expected the variance", "np.sqrt(variance + eps)", "(np.sqrt(variance) + eps)"),
    ("the mean is not subtracted", "centered = x - x.mean(axis=0)", "centered = x"),
    ("the variance is divided by N - 1; expected N", "(centered**2).mean(axis=0)", "(centered**2).sum(axis=0) / (len(x) - 1)"),
    ("the bias is multiplied by the weight too", "weight * centered / np.sqrt(variance + eps) + bias", "weight * (centered / np.sqrt(variance + eps) + bias)"),
    ("every component has its own variance; expected one for the four components of a quaternion", "(q**2).mean(axis=(0, 1))", "(q**2).mean(axis=0)"),
    ("the variance lacks the factor 1/4, so the result is halved", "(q**2).mean(axis=(0, 1))", "(q**2).sum(axis=1).mean(axis=0)"),
    ("the channels are read as r i j k r i j k; the order is four blocks r|i|j|k", "    q = x.reshape(len(x), 4, -1)\n    q = q - q.mean(axis=0)", "    q = x.reshape(len(x), -1, 4).swapaxes(1, 2)\n    q = q - q.mean(axis=0)"),
    ("one mean is subtracted from all four components; expected the mean quaternion", "q = q - q.mean(axis=0)", "q = q - q.mean(axis=(0, 1))"),
    ("all channels share one variance", "(q**2).mean(axis=(0, 1))", "(q**2).mean()"),
    ("the mean is missing in the covariance", "deviations = q - q.mean(axis=0)", "deviations = q"),
    ("the covariance is divided by N - 1; expected N", "deviations / len(q)", "deviations / (len(q) - 1)"),
    ("the covariance is not divided by N", "deviations.T @ deviations / len(q)", "deviations.T @ deviations"),
    ("only the variances are returned; expected the products of all pairs of components", "return deviations.T @ deviations / len(q)", "return np.diag((deviations**2).mean(axis=0))"),
    ("this is the factor L; expected its inverse", "np.linalg.inv(np.linalg.cholesky(matrix + eps * np.eye(4)))", "np.linalg.cholesky(matrix + eps * np.eye(4))"),
    ("this is the inverse of the covariance; expected the inverse of its Cholesky factor", "np.linalg.inv(np.linalg.cholesky(matrix + eps * np.eye(4)))", "np.linalg.inv(matrix + eps * np.eye(4))"),
    ("eps is added to all 16 entries; expected the diagonal", "eps * np.eye(4)", "eps"),
    ("this is the symmetric root of the inverse (ZCA); expected the Cholesky factor, a triangular matrix", "return np.linalg.inv(np.linalg.cholesky(matrix + eps * np.eye(4)))", "values, vectors = np.linalg.eigh(matrix + eps * np.eye(4))\n    return vectors / np.sqrt(values) @ vectors.T"),
    ("the matrix is transposed; W q needs L⁻¹, lower triangular", "return np.linalg.inv(np.linalg.cholesky(matrix + eps * np.eye(4)))", "return np.linalg.inv(np.linalg.cholesky(matrix + eps * np.eye(4))).T"),
    ("this is a ReLU of each component (split activation); modReLU keeps the direction of the quaternion", "return (np.maximum(norm + bias, 0) * direction).reshape(x.shape)", "return np.maximum(x, 0)"),
    ("the ReLU is missing: |q| + b may be negative and turns q around", "np.maximum(norm + bias, 0)", "(norm + bias)"),
    ("the result is not divided by |q|", "* direction).reshape", "* q).reshape"),
    ("the norm is that of all channels; expected one norm for each quaternion", "np.sqrt((q**2).sum(axis=1, keepdims=True))", "np.sqrt((q**2).sum(axis=(1, 2), keepdims=True))"),
    ("0 / 0 is nan; the result for q = 0 is 0", "np.where(norm == 0, 1, norm)", "norm"),
]  # fmt: skip

PROBES = {
    "covariance": [(np.arange(20.0).reshape(5, 4) ** 2 % 7,)],
    "batch_norm": [(np.arange(12.0).reshape(4, 3) ** 2, np.ones(3), np.zeros(3), 0.5)],
    "quaternion_batch_norm": [(np.arange(24.0).reshape(3, 8) ** 2 % 7, np.ones(2), np.zeros(8), 0.5)],
    "mod_relu": [(np.arange(24.0).reshape(3, 8) % 5 - 2, np.array([-3.0, 1.0])), (np.zeros((1, 8)), np.ones(2))],
}

HINTS = {
    "batch_norm": ["x.mean(axis=0) is the mean of each channel", "the variance is ((x - mean) ** 2).mean(axis=0)"],
    "quaternion_batch_norm": [
        "x.reshape(N, 4, C); the mean over the batch is (4, C)",
        "the mean of |q|² / 4 is the mean of the squares over the batch and the four components, axis=(0, 1)",
    ],
    "covariance": ["with d = q - q.mean(axis=0), (N, 4), the matrix d.T @ d is the sum of d dᵀ over the batch"],
    "whitening_matrix": ["np.linalg.cholesky and np.linalg.inv; add eps * np.eye(4) first"],
    "mod_relu": [
        "with q (N, 4, C), the norms are np.sqrt((q**2).sum(axis=1, keepdims=True)), shape (N, 1, C)",
        "divide by np.where(norm == 0, 1, norm) to avoid 0 / 0",
    ],
}

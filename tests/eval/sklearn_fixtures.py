#!/usr/bin/env python3
"""Makes sklearn.h5 beside this file: small features with labels, and what scikit-learn 1.x finds on them with the protocols
of src/eval. Needs numpy, h5py, scikit-learn; the same file comes out each time."""
import pathlib
import warnings

import h5py
import numpy as np
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, average_precision_score, normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier

CLASSES, WIDTH, TRAIN, TEST = 6, 7, 240, 150
STRENGTHS = [0.01, 1.0, 100.0]
NEIGHBOURS = [1, 5, 20]
RECALL = [1, 3, 10]


def features(rng, centres, count):
    label = np.arange(count) % CLASSES
    return (centres[label] + rng.normal(size=(count, WIDTH))).astype(np.float32), label.astype(np.int32)


def unit(x):
    x = x.astype(np.float64)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def logistic(out, x, y, tx, ty):
    right, losses = [], []
    for strength in STRENGTHS:
        fit = LogisticRegression(C=strength, tol=1e-10, max_iter=100000).fit(x.astype(np.float64), y)
        right.append(np.mean(fit.predict(tx.astype(np.float64)) == ty))
        p = fit.predict_proba(x.astype(np.float64))
        losses.append(-np.mean(np.log(p[np.arange(len(y)), y])) + np.sum(fit.coef_ ** 2) / (2 * strength * len(y)))
    out["logistic/C"] = STRENGTHS
    out["logistic/top1"] = right
    out["logistic/loss"] = losses


def neighbours(out, x, y, tx, ty):
    x, tx = unit(x), unit(tx)
    scores = []
    for k in NEIGHBOURS:
        # for rows of length 1, |a - b|^2 = 2 - 2 a.b, so the votes exp(a.b / 0.07) follow from the distance
        fit = KNeighborsClassifier(k, weights=lambda d: np.exp((1 - d ** 2 / 2) / 0.07), algorithm="brute").fit(x, y)
        scores.append(np.mean(fit.predict(tx) == ty))
    out["knn/k"] = NEIGHBOURS
    out["knn/top1"] = scores
    for name, weights in (("equal", "uniform"), ("distance", "distance")):
        fits = [KNeighborsClassifier(k, weights=weights, metric="cosine", algorithm="brute").fit(x, y) for k in NEIGHBOURS]
        out[f"knn/{name}"] = [np.mean(fit.predict(tx) == ty) for fit in fits]


def retrieval(out, x, y, tx, ty):
    for name, gallery, labels, own in (("train", unit(x), y, False), ("test", unit(tx), ty, True)):
        precision, first = [], []
        for i, query in enumerate(unit(tx)):
            keep = np.arange(len(gallery)) != i if own else np.ones(len(gallery), bool)
            similarity, right = gallery[keep] @ query, labels[keep] == ty[i]
            precision.append(average_precision_score(right, similarity))
            first.append(np.argmax(right[np.argsort(-similarity)]))
        out[f"retrieval/{name}/map"] = np.mean(precision)
        out[f"retrieval/{name}/recall"] = [np.mean(np.array(first) < k) for k in RECALL]
    out["retrieval/k"] = RECALL


def clustering(out, tx, ty):
    found = KMeans(CLASSES, n_init=200, random_state=0, tol=0).fit(unit(tx).astype(np.float32))
    out["clustering/inertia"] = found.inertia_
    out["clustering/nmi"] = normalized_mutual_info_score(ty, found.labels_)
    out["clustering/ari"] = adjusted_rand_score(ty, found.labels_)
    from scipy.optimize import linear_sum_assignment
    table = np.zeros((CLASSES, CLASSES), int)
    np.add.at(table, (ty, found.labels_), 1)
    out["clustering/accuracy"] = table[linear_sum_assignment(-table)].sum() / len(ty)
    # Partitions of other sizes than the classes: 4 and 9 clusters.
    rng = np.random.default_rng(5)
    for clusters in (4, 9):
        labels = np.where(rng.random(len(ty)) < 0.6, ty % clusters, rng.integers(0, clusters, len(ty)))
        table = np.zeros((CLASSES, clusters), np.int32)
        np.add.at(table, (ty, labels), 1)
        out[f"partition/{clusters}/table"] = table
        out[f"partition/{clusters}/nmi"] = normalized_mutual_info_score(ty, labels)
        out[f"partition/{clusters}/ari"] = adjusted_rand_score(ty, labels)
        out[f"partition/{clusters}/accuracy"] = table[linear_sum_assignment(-table)].sum() / len(ty)


def main():
    warnings.simplefilter("error")
    rng = np.random.default_rng(3)
    centres = 1.3 * rng.normal(size=(CLASSES, WIDTH))
    x, y = features(rng, centres, TRAIN)
    tx, ty = features(rng, centres, TEST)
    with h5py.File(pathlib.Path(__file__).with_name("sklearn.h5"), "w", libver="earliest") as out:
        out["train/x"], out["train/label"], out["test/x"], out["test/label"] = x, y, tx, ty
        logistic(out, x, y, tx, ty)
        neighbours(out, x, y, tx, ty)
        retrieval(out, x, y, tx, ty)
        clustering(out, tx, ty)


main()

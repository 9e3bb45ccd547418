"""WordNet's mammals in the hyperbolic plane: what `make demo` runs.  A report, a picture, a page to explore, a file."""

from __future__ import annotations

import time
from pathlib import Path

from measure import kept_tree

from hypgeo import data, metrics, plot
from hypgeo.embed import TreeEmbedder

FOLDER = Path("demo")


def main() -> None:
    graph = data.mammals()
    start = time.perf_counter()
    embedding = TreeEmbedder(dim=2, distortion=0.1, root="mammal.n.01").fit(graph).embedding_
    seconds = time.perf_counter() - start
    tree = kept_tree(graph, embedding)
    to_tree, to_graph = metrics.distortion(tree, embedding), metrics.distortion(graph, embedding)
    aside = ", ".join(f"{u} - {v}" for u, v in embedding.provenance["edges_set_aside"])
    precision = metrics.mean_average_precision(tree, embedding), metrics.mean_average_precision(graph, embedding)
    report = {
        "nodes": f"{graph.n:,}",
        "edges": f"{graph.m:,}, one more than a tree has: {aside} is set aside",
        "dimension": f"{embedding.dim}",
        "representation": f"{type(embedding.manifold).__name__}, each node as its parent sees it",
        "bits per node": f"{8 * embedding.bytes_per_node:.0f} (a float64 pair has 128)",
        "radius": f"{embedding.radius:.1f} (a float64 ball ends near 37)",
        "seconds": f"{seconds:.3f}",
        "MAP": f"{precision[0]:.6f} on the tree, {precision[1]:.6f} on the graph with the edge that was set aside",
        "average distortion": f"{to_tree.average:.4f} on the tree, {to_graph.average:.4f} on the graph",
        "worst distortion": f"{to_tree.worst:.4f} on the tree (1.1 was asked for), {to_graph.worst:.4f} on the graph, "
        "where the ends of that edge are neighbours",
    }
    FOLDER.mkdir(exist_ok=True)
    embedding.provenance["measured"] = {"MAP": precision[1], "worst_distortion": to_tree.worst}
    embedding.plot(FOLDER / "mammals.png", title="WordNet's mammals")
    plot.html(embedding, FOLDER / "mammals.html", title="WordNet's mammals")
    embedding.save(FOLDER / "mammals.safetensors")
    width = max(map(len, report))
    print("WordNet's mammals in the hyperbolic plane\n")
    for name, value in report.items():
        print(f"  {name:<{width}}  {value}")
    print(f"\nWrote {FOLDER}/mammals.png, {FOLDER}/mammals.html (for a browser) and {FOLDER}/mammals.safetensors.")


if __name__ == "__main__":
    main()

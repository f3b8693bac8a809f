"""Print all oracles as a table in Markdown: `python -m tests.oracles.table`."""

from tests.oracles import harness


def main() -> None:
    """One row an oracle, as `record` found it; no PyTorch is needed."""
    print("| network | equal to | parameters carried over | max relative error | |")
    print("|---|---|---|---|---|")
    for name, oracle in harness.oracles().items():
        if not oracle.fixture.exists():
            print(f"| {name} | {oracle.against} | | not recorded yet | |")
            continue
        facts = harness.facts(oracle)
        B, H, W, _ = facts["large_shape"][-4:]
        print(
            f"| {name} | {facts['against']} | {facts['parameters']:,} "
            f"| {facts['large_error']:.1e} at {B}x{H}x{W} | {facts['note']} |"
        )


if __name__ == "__main__":
    main()

"""`make golden`: writes what every case is rendered to now."""

import sys

from tests.golden import cases, cost, texts


def main() -> None:
    for case in cases():
        folder = case / "expected"
        folder.mkdir(exist_ok=True)
        rendered = texts(case)
        for stale in set(folder.iterdir()) - {folder / name for name in rendered}:
            stale.unlink()
        for name, text in rendered.items():
            (folder / name).write_text(text)
        sys.stdout.write(f"{case.name}: {len(rendered)} files\n")
    for case in cost.cases():
        cost.golden(case).write_text(cost.text(case))
        sys.stdout.write(f"cost/{case.stem}: {cost.golden(case).name}\n")


if __name__ == "__main__":
    main()

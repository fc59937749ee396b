"""What pyproject.toml cannot express: a wheel also contains the files that Streamlit runs by path."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
PARTS = ("app.py", "pages", ".streamlit")


class BuildWithApp(build_py):
    """Copy the app's script, its pages and its theme into the package; a checkout runs them where they are."""

    def run(self) -> None:
        """Build the package, then add the app."""
        super().run()
        if self.editable_mode:
            return
        bundle = Path(self.build_lib) / "animerag" / "bundle"
        shutil.rmtree(bundle, ignore_errors=True)
        bundle.mkdir(parents=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "secrets.toml")
                shutil.copytree(source, bundle / part, ignore=ignored)
            else:
                shutil.copy(source, bundle)


setup(cmdclass={"build_py": BuildWithApp})

"""python -m hypgeo.cli"""

from hypgeo.cli import main

main()

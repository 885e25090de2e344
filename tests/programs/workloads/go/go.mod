module example.org/renacer/program

go 1.19

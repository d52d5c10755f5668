module example.test/mesh

go 1.26

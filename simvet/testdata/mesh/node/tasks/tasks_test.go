package tasks

func helper(f func()) {
	go f()
	//simvet:allow go tests may // want `simvet:allow has no effect: tests are not checked`
	go f()
}

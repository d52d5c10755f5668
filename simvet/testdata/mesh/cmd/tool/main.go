// Tool is outside the scope, so an exception there is a mistake.
package main

import "time"

func main() {
	//simvet:allow time the clock of the machine // want `simvet:allow has no effect: this package is not checked`
	time.Sleep(1)
}

var now = time.Now

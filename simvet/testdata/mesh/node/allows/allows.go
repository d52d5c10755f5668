package allows

import (
	"sync"
	"time"
)

func exceptions() {
	time.Sleep(1) //simvet:allow time the line itself

	//simvet:allow time the line above
	time.Sleep(1)

	// A reason can be long and lead the directive.
	//simvet:allow time the last line of a group
	time.Sleep(1)

	//simvet:allow time two rules, stacked
	//simvet:allow go two rules, stacked
	go time.Sleep(1)
}

func notCovered() {
	time.Sleep(1) //simvet:allow time a comment behind code covers its own line only
	time.Sleep(1) // want `time.Sleep`

	//simvet:allow time not the line after the next // want `simvet:allow time suppresses nothing: remove it`

	time.Sleep(1) // want `time.Sleep`
}

func wrong() {
	//simvet:allow time // want `simvet:allow time needs a reason`
	time.Sleep(1)
	//simvet:allow clock a rule that is not there // want `simvet:allow names an unknown rule "clock": the rules are go, chan, .*boundedmap`
	time.Sleep(1) // want `time.Sleep`
	//simvet:allow go the wrong rule for this line // want `simvet:allow go suppresses nothing: remove it`
	time.Sleep(1) // want `time.Sleep`
	//simvet:ignore time other tools' word // want `unknown directive simvet:ignore`
	time.Sleep(1) // want `time.Sleep`
}

// T has an exception in the place where gofmt puts directives.
//
//simvet:allow sync the lock of the primitive itself
type T struct{ sync.Mutex }

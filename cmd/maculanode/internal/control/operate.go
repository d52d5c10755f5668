package control

// Call is a call in flight.
type Call struct {
	Service  string  `json:"service"`
	With     string  `json:"with"`             // the id of the peer or client at the other end; this node's own for a local call
	Caller   string  `json:"caller,omitempty"` // who asked
	Out      bool    `json:"out"`              // made from here, or answered here
	Age      float64 `json:"age_seconds"`
	Deadline float64 `json:"left_seconds"`    // of its deadline; negative when that has passed
	Bytes    int     `json:"bytes,omitempty"` // of the request
}

// Setting is one value of the configuration.
type Setting struct {
	Key     string  `json:"key"`
	Value   string  `json:"value"`
	Source  string  `json:"source"`                // a place in the file, a variable, a flag, "limits set" or "default"
	Now     string  `json:"now,omitempty"`         // of a limit: what is held at the moment
	Acting  string  `json:"acting,omitempty"`      // of a limit: what counts at the moment, when load has changed it
	For     float64 `json:"for_seconds,omitempty"` // until the value from before counts again
	Live    bool    `json:"live"`                  // it can be changed without a restart
	Default bool    `json:"default,omitempty"`
	Restart string  `json:"after_restart,omitempty"` // the value that a restart would bring, when that is another one
}

// Reload is what reading the configuration again has changed.
type Reload struct {
	Changed  []Change `json:"changed"`       // in force now
	Restart  []Change `json:"needs_restart"` // read, and not in force before a restart
	Warnings []string `json:"warnings,omitempty"`
}

// Change is a setting that has got another value.
type Change struct {
	Key string `json:"key"`
	Old string `json:"old"`
	New string `json:"new"`
}

// Drained is how a drain ended.
type Drained struct {
	Clients  int     `json:"clients"`  // asked to go elsewhere
	Services int     `json:"services"` // of this process, withdrawn
	Calls    int     `json:"calls"`    // in flight when it began
	Left     int     `json:"left"`     // of the clients and calls, those still there when the time was over
	Took     float64 `json:"took_seconds"`
}

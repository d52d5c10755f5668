package properties

// Component is a part of a node, or of what it is built from, that is held to a
// plain model: a test draws operations, does them to both, and compares.
type Component struct {
	Name  string
	File  string // of the test, from the root of the module
	Test  string
	Model string // what it is compared with
}

// Components returns them in the order in which they are documented.
func Components() []Component {
	return []Component{
		{"pool", "node/pool/model_test.go", "TestThePoolKeepsItsPromisesWhateverHappens", "a book of callers, newcomers and connections, after every event"},
		{"clients", "node/clients/clients_test.go", "TestATableIsWhatAListOfSessionsWouldBe", "a list of sessions"},
		{"registry", "node/registry/registry_test.go", "TestARegistryIsWhatAListOfLiveEntriesWouldBe", "a list of entries"},
		{"ledger", "node/ledger/ledger_test.go", "TestALedgerIsTheSumOfItsLeases", "the sum of the leases"},
		{"bounded map", "node/bounded/map_test.go", "TestAMapIsWhatASliceInOrderOfInsertionWouldBe", "a slice"},
		{"order of use", "node/bounded/lru_test.go", "TestAnLRUIsWhatTwoSlicesWouldBe", "two slices"},
		{"calls of a link", "node/link/model_test.go", "TestCallsKeepTheirPromisesWhateverHappens", "a book of calls and handlers, after every event"},
		{"discovery", "node/discovery/told_test.go", "TestEveryConnectedPeerHearsTheLastWord", "the set of names that are provided"},
		{"renewal", "node/renewal/renewal_test.go", "TestEveryItemIsRenewedWhenItIsDue", "a list of items with their times"},
		{"caller and lookup", "node/rpc/caller_test.go", "TestACallEndsInTimeAndRunsOnceWhateverTheProvidersDo", "what the providers were told to do"},
		{"backoff", "node/backoff/backoff_model_test.go", "TestABackoffIsTheNumberOfItsFailures", "the number of failures"},
		{"frame reader", "node/wire/reader_model_test.go", "TestAReaderIsTheListOfFramesThatWereWritten", "the list of frames that were written"},
		{"queue", "rt/model_test.go", "TestQueueFollowsItsModel", "a slice and two lines of tasks that wait"},
		{"semaphore", "rt/model_test.go", "TestSemaphoreFollowsItsModel", "a number and a line of tasks that wait"},
		{"gate", "rt/primitives_model_test.go", "TestGateFollowsItsModel", "a bit and a line of tasks that wait"},
		{"event", "rt/primitives_model_test.go", "TestEventFollowsItsModel", "a bit and a line of tasks that wait"},
		{"group", "rt/primitives_model_test.go", "TestGroupFollowsItsModel", "a list of tasks and a line of those that wait"},
	}
}

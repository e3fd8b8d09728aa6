// The scenario over grpc-go: go run . HOST:PORT CUSTOMER ../scenario.json DESCRIPTORS
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

type step struct {
	Call    string          `json:"call"`
	Request json.RawMessage `json:"request"`
	Expect  map[string]any  `json:"expect"`
	Error   string          `json:"error"`
	Keep    string          `json:"keep"`
}

func main() {
	target, customer, scenario, descriptors := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	files := described(descriptors)
	var steps []step
	text, err := os.ReadFile(scenario)
	must(err)
	must(json.Unmarshal(text, &steps))
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	defer connection.Close()
	kept := ""
	for number, step := range steps {
		request := strings.NewReplacer("CUSTOMER", customer, "KEPT", kept).Replace(string(step.Request))
		answer, code := call(connection, files, step.Call, request)
		seen := map[string]any{}
		if code == "OK" {
			for path := range step.Expect {
				seen[path] = at(answer, path)
			}
		}
		if value, ok := answer[step.Keep].(string); ok {
			kept = value
		}
		shown, err := json.Marshal(seen)
		must(err)
		fmt.Println(number+1, step.Call, code, string(shown))
		if step.Error == "" {
			step.Error = "OK"
		}
		if code != step.Error || (code == "OK" && !reflect.DeepEqual(seen, step.Expect)) {
			log.Fatalf("expected %v and %v", step.Error, step.Expect)
		}
	}
}

func described(path string) *protoregistry.Files {
	bytes, err := os.ReadFile(path)
	must(err)
	var set descriptorpb.FileDescriptorSet
	must(proto.Unmarshal(bytes, &set))
	files, err := protodesc.NewFiles(&set)
	must(err)
	return files
}

func call(connection *grpc.ClientConn, files *protoregistry.Files, name, request string) (map[string]any, string) {
	service, method, _ := strings.Cut(name, "/")
	found, err := files.FindDescriptorByName(protoreflect.FullName("tactful.v1." + service))
	must(err)
	described := found.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(method))
	question, answer := dynamicpb.NewMessage(described.Input()), dynamicpb.NewMessage(described.Output())
	must(protojson.Unmarshal([]byte(request), question))
	deadline, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := connection.Invoke(deadline, "/tactful.v1."+name, question, answer); err != nil {
		return nil, upper(status.Code(err).String())
	}
	text, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(answer)
	must(err)
	var read map[string]any
	must(json.Unmarshal(text, &read))
	return read, "OK"
}

// upper makes INVALID_ARGUMENT of InvalidArgument.
func upper(code string) string {
	var text strings.Builder
	for place, letter := range code {
		if place > 0 && letter >= 'A' && letter <= 'Z' {
			text.WriteByte('_')
		}
		text.WriteRune(letter)
	}
	return strings.ToUpper(text.String())
}

func at(value any, path string) any {
	for _, part := range strings.Split(path, ".") {
		switch held := value.(type) {
		case map[string]any:
			value = held[part]
		case []any:
			place, err := strconv.Atoi(part)
			must(err)
			value = held[place]
		}
	}
	return value
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A new project goes to the head of the list on the screen.
import { graphql } from "relay-runtime";

export const create = graphql`
  mutation CreateProjectMutation($input: CreateProjectInput!, $connections: [ID!]!) {
    createProject(input: $input) {
      project @prependNode(connections: $connections, edgeTypeName: "ProjectEdge") {
        id
        ...ProjectList_project
      }
      userErrors {
        ...StartRun_errors
      }
    }
  }
`;

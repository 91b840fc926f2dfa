// Whatever has an id can be fetched again by it.
import { graphql } from "relay-runtime";

export const one = graphql`
  query AnythingQuery($id: ID!, $more: [ID!]!) {
    node(id: $id) {
      __typename
      id
      ... on Project {
        ...ProjectList_project
        ...Anything_files
      }
      ... on WorkspaceSession {
        ttlSeconds
        runs(first: 10) {
          nodes {
            id
            status
          }
        }
      }
    }
    nodes(ids: $more) {
      id
      ... on Artifact {
        ...RunPage_artifact
      }
    }
  }
`;

export const files = graphql`
  fragment Anything_files on Project
  @argumentDefinitions(count: { type: "Int", defaultValue: 50 }, cursor: { type: "String" })
  @refetchable(queryName: "AnythingFilesQuery") {
    files(area: DRIVE, first: $count, after: $cursor) @connection(key: "Anything_files") {
      edges {
        node {
          __typename
          path
          ... on File {
            id
            size
            downloadUrl(expiresInSeconds: 60)
          }
        }
      }
    }
  }
`;
